import { ResourceUpserted, type StoredEvent } from '@postern/contracts';
import { until } from '@postern/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startService, type TestService } from './support/service.ts';

let service: TestService;
const path = '/v1/resources/lock/copied-identity-agent-1';

beforeAll(async () => {
  service = await startService();
  await service.joined('agent-1', ['Kube']);
});

afterAll(() => service[Symbol.asyncDispose]());

const locks = async () =>
  (await service.store.load('lock/copied-identity-agent-1')).filter(
    ({ type }: StoredEvent) => type === ResourceUpserted.type,
  );

test('an agent whose identity was copied is locked, by the service, with how to go on (C-07)', async () => {
  await service.copied('agent-1');
  const lock = await until('it is locked', async () => {
    const { status, body } = await service.as('admin')({ path });
    return status === 200 && body;
  });
  expect(lock).toMatchObject({
    kind: 'lock',
    spec: {
      target: { server_id: 'agent-1' },
      message: expect.stringContaining('remove the stored identity'),
    },
  });
  const [event] = await locks();
  expect(event!.meta.actor).toContain('/svc/');
});

test('a lock that a person has taken away comes back with the next copy only (C-07)', async () => {
  await service.as('admin')({ method: 'DELETE', path });
  expect((await service.as('admin')({ path })).status).toBe(404);
  await service.copied('agent-1');
  await until('it is locked again', async () => (await service.as('admin')({ path })).status === 200);
  expect(await locks()).toHaveLength(2);
});
