import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkProjections } from '@postern/dev/faults';
import { type KubeApiServer, startKubeApiServer } from '@postern/lab';
import { type SeparateStack, startSeparately, until, victims } from '@postern/testkit';
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

  test.each(victims)('lose nothing when %s is killed during a thousand creations', async (victim) => {
    const prefix = `crash-${victim}`;
    const outcome = createMany(stack, prefix, 1000);
    await outcome.underway;
    await stack.kill9(victim);
    if (victim === 'postgres') await stack.revive(victim);
    const created = await outcome.done;
    if (victim !== 'postgres') await stack.revive(victim);
    // While Postgres or the replica that half of the callers use is away some calls fail, more of them the slower the machine is;
    // none may lie.
    expect(created.length).toBeGreaterThan(victim === 'postgres' ? 100 : 500);
    const names = await namesOf(stack, prefix);
    expect(new Set(names).size).toBe(names.length);
    expect(created.filter((name) => !names.includes(name))).toEqual([]);
  });

  test('leave projections behind that equal a rebuild from events', async () => {
    // What comes over the bus comes later: it was away a moment ago.
    await until(
      'projections equal their rebuild',
      async () => {
        const findings = await checkProjections(stack.postgres.url);
        if (findings.length > 0) throw new Error(`${findings.length} differences, such as ${findings[0]}`);
        return true;
      },
      { withinMs: 60_000 },
    );
  });
});

async function namesOf(stack: SeparateStack, prefix: string): Promise<string[]> {
  const listed = await until('the roles are listed', async () => {
    const { code, stdout } = await stack.admin.run('tctl', ['get', 'roles', '--format=json']);
    return code === 0 && stdout;
  });
  const roles = JSON.parse(listed) as { metadata: { name: string } }[];
  return roles.map((role) => role.metadata.name).filter((name) => name.startsWith(`${prefix}-`));
}
