import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KubeApiServer, startKubeApiServer } from '@postern/lab';
import { type SeparateStack, services, startSeparately } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMany } from './support/create-many.ts';
import { followDynamicRegistration, leavingClustersAreCut } from './support/guide.ts';

describe('two replicas of every service, each a process', () => {
  let folder: string;
  let stack: SeparateStack;
  let target: KubeApiServer;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-separate-'));
    [stack, target] = await Promise.all([
      startSeparately(folder),
      startKubeApiServer({ dir: join(folder, 'target'), controllers: true, durable: false }),
    ]);
  });

  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await target?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const setting = () => ({
    admin: stack.admin,
    folder,
    proxyAddr: stack.proxyAddrs[0]!,
    targetKubeconfig: target.kubeconfig,
  });

  test('follow the guide on dynamic registration', async () => {
    await followDynamicRegistration(setting(), stack.dataDir);
  });

  test('cut what leaves an agent within two seconds', async () => {
    await leavingClustersAreCut(setting());
  });

  test.each(services)('lose nothing when one %s is killed during a thousand creations', async (service) => {
    const prefix = `crash-${service}`;
    const outcome = createMany(stack, prefix, 1000);
    await outcome.underway;
    await stack.process(service, 0).kill9();
    const created = await outcome.done;
    await stack.restart(service, 0);
    expect(created.length).toBeGreaterThan(900);
    const listed = JSON.parse(await stack.admin.must('tctl', ['get', 'roles', '--format=json'])) as {
      metadata: { name: string };
    }[];
    const names = listed.map((role) => role.metadata.name).filter((name) => name.startsWith(`${prefix}-`));
    expect(new Set(names).size).toBe(names.length);
    expect(created.filter((name) => !names.includes(name))).toEqual([]);
  });
});
