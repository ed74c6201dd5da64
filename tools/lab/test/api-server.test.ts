import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  type KubeApiServer,
  type KubeApiServerOptions,
  locateKubectl,
  runCommand,
  startKubeApiServer,
  waitUntil,
} from '../src/index.ts';
import { tempDir } from './support/temp-dir.ts';

async function start(options: KubeApiServerOptions): Promise<KubeApiServer> {
  const server = await startKubeApiServer({ durable: false, ...options });
  onTestFinished(() => server.stop());
  return server;
}

async function kubectl(server: KubeApiServer, ...args: string[]): Promise<string> {
  return runCommand(await locateKubectl(), ['--kubeconfig', server.kubeconfig, ...args]);
}

test('keeps its objects, address and authority over a restart', async () => {
  const dir = tempDir();
  const first = await start({ dir });
  await kubectl(first, 'create', 'configmap', 'kept', '--from-literal=answer=42');
  const authority = readFileSync(first.caFile, 'utf8');
  await first.stop();
  const second = await start({ dir });
  expect(second.url).toBe(first.url);
  expect(readFileSync(second.caFile, 'utf8')).toBe(authority);
  expect(await kubectl(second, 'get', 'configmap', 'kept', '-o', 'jsonpath={.data.answer}')).toBe('42');
});

test('gives service accounts tokens that it accepts, when its controllers run', async () => {
  const dir = tempDir();
  const server = await start({ dir, controllers: true });
  const secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'kubernetes.io/service-account-token',
    metadata: { name: 'robot-token', annotations: { 'kubernetes.io/service-account.name': 'robot' } },
  };
  writeFileSync(join(dir, 'secret.json'), JSON.stringify(secret));
  await kubectl(server, 'create', 'serviceaccount', 'robot');
  await kubectl(server, 'create', '-f', join(dir, 'secret.json'));
  const readToken = () => kubectl(server, 'get', 'secret', 'robot-token', '-o', 'jsonpath={.data.token}');
  const token = await waitUntil(async () => (await readToken()) || undefined, {
    what: 'a token',
    timeoutMs: 20_000,
  });
  const asRobot = [
    '--kubeconfig=/dev/null',
    `--server=${server.url}`,
    `--certificate-authority=${server.caFile}`,
  ];
  const request = runCommand(await locateKubectl(), [...asRobot, `--token=${atob(token)}`, 'get', 'pods']);
  await expect(request).rejects.toThrow(
    /User "system:serviceaccount:default:robot" cannot list resource "pods"/,
  );
});

test('records who asked for what, when asked to', async () => {
  const server = await start({ dir: tempDir(), auditLog: true });
  await kubectl(server, 'get', 'namespaces', '--as', 'somebody', '--as-group', 'system:masters');
  const records = readFileSync(server.auditFile, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  expect(records).toContainEqual(
    expect.objectContaining({
      verb: 'list',
      impersonatedUser: expect.objectContaining({ username: 'somebody' }) as unknown,
      responseStatus: expect.objectContaining({ code: 200 }) as unknown,
    }),
  );
});

test('refuses a folder that another version of Kubernetes wrote', async () => {
  const dir = tempDir();
  writeFileSync(join(dir, 'version'), 'v1.99.0\n');
  await expect(startKubeApiServer({ dir })).rejects.toThrow(/written by Kubernetes v1\.99\.0/);
});
