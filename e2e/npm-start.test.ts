import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@postern/lab';
import { until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { leavingClustersAreCut, followDynamicRegistration } from './support/guide.ts';
import { npmStart, type Started } from './support/npm-start.ts';

describe('npm start', () => {
  let folder: string;
  let port: number;
  let running: Started;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-e2e-'));
    port = await freePort();
    running = await npmStart({ folder, dataDir: join(folder, 'data'), port });
  });

  afterAll(async () => {
    await running?.process.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('shows the demo cluster and reaches it with kubectl as the impersonated user', async () => {
    expect(await running.admin.must('tsh', ['kube', 'ls'])).toMatch(/^demo .*teleport\.dev\/origin=dynamic/m);
    await running.admin.must('tsh', ['kube', 'login', 'demo']);
    const namespaces = await running.admin.kubectl(['get', 'namespaces', '-o', 'name']);
    expect(namespaces.stderr).toBe('');
    expect(namespaces.stdout).toContain('namespace/kube-system');
    const mayDoAll = await running.admin.kubectl(['auth', 'can-i', '*', '*']);
    expect(mayDoAll.stdout.trim()).toBe('yes');
    const asStranger = await running.admin.kubectl(['get', 'namespaces', '--as', 'stranger']);
    expect(asStranger.code).not.toBe(0);
    expect(asStranger.stderr).toContain('user header "stranger" is not allowed in roles');
  });

  test('follows the guide on dynamic registration', async () => {
    await followDynamicRegistration(settingOf(running, folder), running.dataDir);
  });

  test('cuts what leaves an agent within two seconds', async () => {
    await leavingClustersAreCut(settingOf(running, folder));
  });

  test('ends on Ctrl-C without leaving a process, and starts again with everything', async () => {
    await running.admin.must('tctl', ['users', 'add', 'kept', '--roles=access']);
    await running.process.stop('SIGINT');
    await until('no process of it is left', async () => (await processesOf(running.dataDir)).length === 0);
    running = await npmStart({ folder, dataDir: running.dataDir, port });
    expect(await running.admin.must('tctl', ['get', 'users/kept', '--format=json'])).toContain('"kept"');
    expect(await running.admin.must('tsh', ['kube', 'ls'])).toMatch(/^demo /m);
  });

  test('recovers after kill -9 of everything it started itself with', async () => {
    await running.process.kill9();
    expect((await processesOf(running.dataDir)).length).toBeGreaterThan(0);
    running = await npmStart({ folder, dataDir: running.dataDir, port });
    expect(await running.admin.must('tctl', ['get', 'users/kept', '--format=json'])).toContain('"kept"');
  });
});

function settingOf(running: Started, folder: string) {
  return {
    admin: running.admin,
    folder,
    proxyAddr: running.proxyAddr,
    targetKubeconfig: running.demoKubeconfig,
  };
}

/** Pids of processes whose command line or working folder names the data directory. */
async function processesOf(dataDir: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
      return command.includes(dataDir) || cwd.startsWith(dataDir) ? pid : undefined;
    }),
  );
  return found.filter((pid) => pid !== undefined);
}
