import { join } from 'node:path';
import type { EventsPage, ParkedMessagesReply, SignedCertificate } from '@postern/contracts';
import { until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  administrator,
  type call,
  type ControlPlane,
  type Credential,
  joiner,
  type Replica,
  startControlPlane,
  startEdge,
} from './control-plane.ts';

let plane: ControlPlane;
let replica: Replica;
let admin: Credential;
let ask: typeof call;

const role = (name: string, rules: unknown) =>
  plane.views.put('role', name, {
    kind: 'role',
    version: 'v7',
    metadata: { name },
    spec: { allow: { rules } },
  });
const user = (name: string, ...roles: string[]) =>
  plane.views.put('user', name, {
    kind: 'user',
    version: 'v2',
    metadata: { name },
    spec: { traits: {}, roles },
  });

beforeAll(async () => {
  plane = await startControlPlane();
  await role('editor', [{ resources: ['*'], verbs: ['*'] }]);
  await role('auditor', [{ resources: ['event'], verbs: ['list', 'read'] }]);
  await role('other', [{ resources: ['role'], verbs: ['*'] }]);
  await user('admin', 'editor');
  await user('auditing', 'auditor');
  await user('other', 'other');
  const adminIdentityFile = join(plane.dataDir, 'admin-identity.pem');
  replica = await plane.replica({ adminIdentityFile });
  admin = await administrator(adminIdentityFile);
  ask = await startEdge(replica);
  await vi.waitFor(async () => expect((await ask(replica, '/v1/me', { as: admin })).status).toBe(200));
});
afterAll(() => plane[Symbol.asyncDispose]());

async function signedIn(name: string): Promise<Credential> {
  const { key, csr } = await joiner();
  const body = { user: name, csr, ttlSeconds: 600 };
  const { body: signed } = await ask<SignedCertificate>(replica, '/v1/auth/sign', { body, as: admin });
  return { key, certificate: signed.certificate };
}

const root = '/v1/events/join';

describe('the events of joins and sessions', () => {
  test('are shown to who has a rule on events, with who did it and in which conversation', async () => {
    const since = new Date(Date.now() - 1000).toISOString();
    const auditing = await signedIn('auditing');
    const query = `since=${since}&type=SessionStarted&wait=10`;
    const shown = await until('the session is shown', async () => {
      const { body } = await ask<EventsPage>(replica, `${root}?${query}`, { as: auditing });
      return body.events.find(({ data }) => data['user'] === 'auditing');
    });
    expect(shown).toMatchObject({
      context: 'join',
      type: 'SessionStarted',
      data: { user: 'auditing', by: 'spiffe://postern/user/admin' },
      correlationId: expect.stringMatching(/./),
    });
    const parked = await ask<ParkedMessagesReply>(replica, `${root}/parked`, { as: auditing });
    expect(parked).toMatchObject({ status: 200, body: { parked: [], hasMore: false } });
  });

  test('are shown to nobody else', async () => {
    const other = await signedIn('other');
    expect((await ask(replica, root, { as: other })).status).toBe(403);
    expect((await ask(replica, `${root}/parked`, { as: other })).status).toBe(403);
    expect((await ask(replica, root)).status).toBe(401);
  });
});
