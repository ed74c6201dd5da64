import { openView } from '@postern/bus';
import { type EventsPage, everything, type ParkedMessagesReply } from '@postern/contracts';
import { sha256Hex } from '@postern/core';
import { until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Client } from './support/client.ts';
import { canary, cluster, role, token, user } from './support/documents.ts';
import { startService, type TestService } from './support/service.ts';

let service: TestService;
let admin: Client;

beforeAll(async () => {
  service = await startService();
  admin = service.as('admin');
});

afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

const root = '/v1/events/resource';
const write = (document: { kind: string; metadata: { name: string } }) =>
  admin({ method: 'PUT', path: `/v1/resources/${document.kind}/${document.metadata.name}`, body: document });
const page = async (query: string) => {
  const { status, body } = await admin({ method: 'GET', path: `${root}?${query}` });
  expect([status, body]).toEqual([200, expect.anything()]);
  return body as unknown as EventsPage;
};
const parked = async () =>
  ((await admin({ method: 'GET', path: `${root}/parked` })).body as unknown as ParkedMessagesReply).parked;

describe('the events of resources', () => {
  test('tell who wrote what in which conversation, and no secret', async () => {
    const since = new Date().toISOString();
    const name = `${canary}-token-in-events`;
    const created = await admin({ method: 'POST', path: '/v1/resources/token', body: token(name) });
    expect(created.status).toBe(201);
    await write(cluster('in-events', { env: 'events' }));
    const events = await until('both are there', async () => {
      const read = await page(`since=${since}&type=ResourceUpserted&wait=5`);
      const own = read.events.filter(({ stream }) => /^(token|kube_cluster)\//.test(stream));
      return own.length === 2 && own;
    });
    expect(events[1]).toMatchObject({
      context: 'resource',
      type: 'ResourceUpserted',
      stream: 'kube_cluster/in-events',
      version: 1,
      actor: expect.stringContaining('user/admin'),
      correlationId: expect.stringMatching(/./),
    });
    expect(JSON.stringify(events)).not.toContain(canary);
    expect(JSON.stringify(events)).not.toContain(sha256Hex(name));
    expect(events[0]!.stream).toBe(`token/${sha256Hex(name).slice(0, 8)}…`);
  });

  test('are for who has a rule on events', async () => {
    await write(role('reads-roles', { rules: [{ resources: ['role'], verbs: ['read', 'list'] }] }));
    await write(user('reader', ['reads-roles']));
    await write(user('auditing', ['auditor']));
    const statusFor = async (name: string, path: string, method: 'GET' | 'DELETE' = 'GET') =>
      (await service.as(name)({ method, path })).status;
    expect(await statusFor('reader', root)).toBe(403);
    expect(await statusFor('reader', `${root}/parked`)).toBe(403);
    expect(await statusFor('auditing', root)).toBe(200);
    expect(await statusFor('auditing', `${root}/parked`)).toBe(200);
    const id = '00000000-0000-7000-8000-000000000000';
    expect(await statusFor('auditing', `${root}/parked/${id}?reason=r`, 'DELETE')).toBe(403);
    expect(await statusFor('admin', `${root}/parked/${id}?reason=r`, 'DELETE')).toBe(404);
    const kube = await service.asAgent('kube-7', ['Kube']);
    expect((await kube({ method: 'GET', path: root })).status).toBe(403);
  });

  test('that are poison are parked, and the views go on and are right', async () => {
    const view = openView(service.bus, { agentId: 'agent-1', selector: everything('kube_cluster') });
    try {
      await view.ready;
      await write(cluster('before', {}));
      const bodies = [
        '{"__proto__": {"isAdmin": true}}',
        'no JSON',
        '{}',
        '{"type": "ResourceUpserted", "v": 99}',
      ];
      for (const [index, body] of bodies.entries()) {
        const subject = `evt.resource.00.kube_cluster.poison${index}.ResourceUpserted`;
        await service.bus.connection.jetstream.publish(subject, body);
      }
      await write(cluster('after', {}));
      const names = () => view.entries('kube_cluster').map(({ id }) => id);
      await until('the later one is shown', () => names().includes('after'));
      expect(names()).toContain('before');
      // Each consumer of the log has its own copy: the views, and the list of changes.
      for (const consumer of ['resource__views', 'resource__projection_change_list'])
        await until(`${consumer} has parked them`, async () => {
          const own = (await parked()).filter((each) => each.consumer === consumer);
          return own.length === bodies.length;
        });
      for (const { id } of await parked())
        await admin({ method: 'DELETE', path: `${root}/parked/${id}?reason=test` });
      expect(await parked()).toEqual([]);
      await write(cluster('at-last', {}));
      await until('it is shown', () => names().includes('at-last'));
    } finally {
      view.close();
    }
  });
});
