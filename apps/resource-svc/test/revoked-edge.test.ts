import { until } from '@postern/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startService, type TestService } from './support/service.ts';

let service: TestService;

beforeAll(async () => {
  service = await startService();
});

afterAll(() => service[Symbol.asyncDispose]());

test('an edge that was revoked speaks for nobody, though its certificate has not ended', async () => {
  await service.joined('edge-stolen', ['Proxy']);
  const asAdmin = await service.through('edge-stolen', 'admin');
  const read = { path: '/v1/resources/role' };
  expect((await asAdmin(read)).status).toBe(200);
  await service.revoked('edge-stolen');
  await until('it is heard of', async () => (await asAdmin(read)).status === 401);
  expect((await service.as('admin')(read)).status).toBe(200);
});
