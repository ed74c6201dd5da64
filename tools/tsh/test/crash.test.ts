import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FakeControlPlane, fakeControlPlane, temporaryFolder } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseKubeconfigText } from '../src/kubeconfig/kubeconfig.ts';

const tsh = join(import.meta.dirname, '..', '..', '..', 'bin', 'tsh');
const foreign = '# mine\nkind: Config\nclusters:\n  - {name: home, cluster: {server: "https://home"}}\n';

let plane: FakeControlPlane;

beforeAll(async () => {
  plane = await fakeControlPlane();
  plane.clusters = Array.from({ length: 200 }, (_, at) => ({ name: `cluster-${at}`, labels: {} }));
});

afterAll(() => plane[Symbol.asyncDispose]());

/** Runs tsh as a process; with `killAfterMs` it is killed as a crash would. */
function run(
  args: readonly string[],
  env: Record<string, string>,
  killAfterMs?: number,
): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const child = spawn(tsh, args, { env: { PATH: process.env['PATH'] ?? '', ...env }, stdio: 'ignore' });
    if (killAfterMs !== undefined) setTimeout(() => child.kill('SIGKILL'), killAfterMs);
    child.on('error', reject);
    child.on('exit', resolve);
  });
}

describe('tsh kube login that is killed at any moment', () => {
  test('leaves a kubeconfig that is whole, and no lock that stops the next one', async () => {
    const folder = temporaryFolder();
    const env = {
      HOME: folder,
      KUBECONFIG: join(folder, 'config'),
      TELEPORT_IDENTITY_FILE: join(folder, 'id.pem'),
    };
    writeFileSync(env.TELEPORT_IDENTITY_FILE, await plane.identity('ann'), { mode: 0o600 });
    writeFileSync(env.KUBECONFIG, foreign);
    for (let killAfterMs = 150; killAfterMs < 650; killAfterMs += 50) {
      await run(
        ['kube', 'login', '--all', '--set-context-name', `k${killAfterMs}-{{.KubeName}}`],
        env,
        killAfterMs,
      );
      const text = readFileSync(env.KUBECONFIG, 'utf8');
      expect(text.startsWith(foreign)).toBe(true);
      expect(parseKubeconfigText(text).contexts.length % 200).toBe(0);
    }
    expect(await run(['kube', 'login', 'cluster-1'], env)).toBe(0);
    expect(parseKubeconfigText(readFileSync(env.KUBECONFIG, 'utf8')).currentContext).toBe(
      'example.test-cluster-1',
    );
  });
});
