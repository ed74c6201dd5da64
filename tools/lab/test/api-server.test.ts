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

test('keeps running when custom resources are written, listed, watched and deleted', async () => {
  const dir = tempDir();
  const server = await start({ dir });
  const apply = async (name: string, object: object) => {
    writeFileSync(join(dir, `${name}.json`), JSON.stringify(object));
    await kubectl(server, 'apply', '-f', join(dir, `${name}.json`));
  };
  await apply('definition', widgets);
  await kubectl(server, 'wait', '--for=condition=Established', 'crd/widgets.lab.test', '--timeout=30s');
  const before = await listWidgets(server);
  expect(before.items).toEqual([]);
  const widget = {
    apiVersion: 'lab.test/v1',
    kind: 'Widget',
    metadata: { name: 'first', namespace: 'default', labels: { a: '1', b: '2' } },
    spec: { size: 3, parts: { left: { weight: 1 }, right: { weight: 2 } } },
  };
  await apply('widget', widget);
  await apply('widget', { ...widget, spec: { ...widget.spec, size: 4 } });
  const { items } = await listWidgets(server);
  expect(items).toEqual([
    expect.objectContaining({ kind: 'Widget', spec: { ...widget.spec, size: 4 } }) as unknown,
  ]);
  await kubectl(server, 'delete', 'widget', 'first');
  expect((await listWidgets(server)).items).toEqual([]);
  const since = before.metadata.resourceVersion;
  const watch = `${widgetsPath}?watch=true&resourceVersion=${since}&timeoutSeconds=1`;
  const events = (await kubectl(server, 'get', '--raw', watch)).trim().split('\n');
  expect(events.map((line) => (JSON.parse(line) as { type: string }).type)).toEqual([
    'ADDED',
    'MODIFIED',
    'DELETED',
  ]);
  // Of the process that was started, for nothing restarts one that crashed.
  expect(() => process.kill(server.pids['kube-apiserver']!, 0)).not.toThrow();
});

const widgetsPath = '/apis/lab.test/v1/namespaces/default/widgets';

async function listWidgets(
  server: KubeApiServer,
): Promise<{ metadata: { resourceVersion: string }; items: object[] }> {
  return JSON.parse(await kubectl(server, 'get', '--raw', widgetsPath)) as Awaited<
    ReturnType<typeof listWidgets>
  >;
}

const widgets = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.lab.test' },
  spec: {
    group: 'lab.test',
    scope: 'Namespaced',
    names: { plural: 'widgets', singular: 'widget', kind: 'Widget', listKind: 'WidgetList' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        },
      },
    ],
  },
};

test('refuses a folder that another version of Kubernetes wrote', async () => {
  const dir = tempDir();
  writeFileSync(join(dir, 'version'), 'v1.99.0\n');
  await expect(startKubeApiServer({ dir })).rejects.toThrow(/written by Kubernetes v1\.99\.0/);
});
