import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun, plain, startProcess, toolsFor, until } from '@postern/testkit';
import { expect } from 'vitest';
import { parse, stringify } from 'yaml';
import {
  authorizeUser,
  type GuideSetting,
  kubeLs,
  startKubeService,
  untilKubeLs,
  writeKubeCluster,
} from './dynamic-registration.ts';

/** Follows the guide on dynamic registration from its first command to its last and compares what it shows. */
export async function followDynamicRegistration(setting: GuideSetting, dataDir: string): Promise<void> {
  const { admin, folder } = setting;
  const agent = await startKubeService(setting, 'kube-agent', [{ labels: { '*': '*' } }]);
  try {
    const identityFile = await authorizeUser(setting, 'alice');
    const home = join(folder, 'alice');
    await mkdir(home, { recursive: true });
    const alice = toolsFor({ home, dataDir, identityFile });
    await currentRoles(alice);
    const file = await writeKubeCluster(setting, 'mycluster');

    expect(plain(await alice.must('tctl', ['create', file]))).toBe(
      'kubernetes cluster "mycluster" has been created',
    );
    const again = await alice.run('tctl', ['create', file]);
    expect(again.code).toBe(6);
    expect(again.stderr).toMatch(/^ERROR: .*already exists.*use -f or --force flag to overwrite\n$/);
    await untilKubeLs(alice, ['mycluster teleport.dev/origin=dynamic']);
    expect(plain(await alice.must('tsh', ['kube', 'login', 'mycluster']))).toContain(
      'logged into kubernetes cluster "mycluster"',
    );
    await viewersSeePodsOnly(alice);

    await updateLabels(alice, folder);
    await untilKubeLs(alice, ['mycluster env=test teleport.dev/origin=dynamic *']);

    expect(plain(await alice.must('tctl', ['rm', 'kube_clusters/mycluster']))).toBe(
      'kubernetes cluster "mycluster" has been deleted',
    );
    await untilKubeLs(alice, []);
    expect(await kubeLs(admin)).not.toContain('mycluster');
  } finally {
    await agent.stop();
  }
}

async function currentRoles(alice: ReturnType<typeof toolsFor>): Promise<void> {
  const status = JSON.parse(await alice.must('tsh', ['status', '-f', 'json'])) as {
    active: { roles: string[]; username: string };
  };
  expect(status.active.username).toBe('alice');
  expect(status.active.roles).toEqual(['kube-access', 'kube-manager']);
}

async function viewersSeePodsOnly(alice: ReturnType<typeof toolsFor>): Promise<void> {
  const pods = await until('kubectl get pods', async () => {
    const run = await alice.kubectl(['get', 'pods', '-A']);
    if (run.code !== 0) throw new Error(run.stderr);
    return run;
  });
  expect(pods.stdout + pods.stderr).toMatch(/No resources found|NAME/);
  const secrets = await alice.kubectl(['get', 'secrets', '-n', 'kube-system']);
  expect(secrets.code).not.toBe(0);
  expect(secrets.stderr).toContain('User "alice" cannot list resource "secrets"');
}

/** The guide's round trip: get to a file, add a label, create -f. The stored kubeconfig must survive it. */
async function updateLabels(alice: ReturnType<typeof toolsFor>, folder: string): Promise<void> {
  const file = join(folder, 'kube_cluster.yaml');
  await writeFile(file, await alice.must('tctl', ['get', 'kube_clusters/mycluster']));
  const text = await readFile(file, 'utf8');
  expect(text).not.toContain('client-key-data');
  const resource = parse(text) as { metadata: { labels: Record<string, string>; id?: unknown } };
  resource.metadata.labels['env'] = 'test';
  await writeFile(file, stringify(resource).replace('metadata:\n', 'metadata:\n  id: 9999999999999999999\n'));
  const said = await alice.must('tctl', ['create', '-f', file]);
  expect(plain(said)).toBe('kubernetes cluster "mycluster" has been updated');
  const pods = await alice.kubectl(['get', 'pods', '-A']);
  expect(pods.stderr).not.toContain('error');
  expect(pods.code).toBe(0);
}

/** A cluster whose labels leave the agent's matchers, and one that is removed, are gone with their streams within 2 s. */
export async function leavingClustersAreCut(setting: GuideSetting): Promise<void> {
  const { admin, folder } = setting;
  await onTarget(
    setting,
    'create',
    'clusterrolebinding',
    'the-admins',
    '--clusterrole=cluster-admin',
    '--group=postern:admins',
  );
  const agent = await startKubeService(setting, 'matching-agent', [
    { labels: { stage: 'live', region: 'one' } },
    { labels: { stage: 'test' } },
  ]);
  try {
    const file = await writeKubeCluster(setting, 'leaving', '  labels:\n    stage: test\n');
    await admin.must('tctl', ['create', file]);
    await untilKubeLs(admin, ['leaving stage=test teleport.dev/origin=dynamic']);
    const unlabelled = await relabelled(admin, folder, { stage: 'live', region: 'two' });
    await cutWithin2s(admin, folder, () => admin.must('tctl', ['create', '-f', unlabelled]));
    await admin.must('tctl', [
      'create',
      '-f',
      await relabelled(admin, folder, { stage: 'live', region: 'one' }),
    ]);
    await until('served again', async () => (await kubeLs(admin)).some((row) => row.startsWith('leaving ')));
    await cutWithin2s(admin, folder, () => admin.must('tctl', ['rm', 'kube_cluster/leaving']));
  } finally {
    await agent.stop();
  }
}

async function relabelled(
  admin: GuideSetting['admin'],
  folder: string,
  labels: Record<string, string>,
): Promise<string> {
  const resource = parse(await admin.must('tctl', ['get', 'kube_cluster/leaving'])) as {
    metadata: { labels: unknown };
  };
  resource.metadata.labels = { 'teleport.dev/origin': 'dynamic', ...labels };
  const file = join(folder, 'relabelled.yaml');
  await writeFile(file, stringify(resource));
  return file;
}

async function cutWithin2s(
  admin: GuideSetting['admin'],
  folder: string,
  change: () => Promise<unknown>,
): Promise<void> {
  await admin.must('tsh', ['kube', 'login', 'leaving']);
  const watch = startProcess({
    name: `watch-${Date.now()}`,
    command: 'kubectl',
    args: ['get', 'namespaces', '--watch', '-o', 'name'],
    env: { ...admin.env },
    cwd: folder,
    logDir: folder,
  });
  try {
    await until('the watch has begun', async () =>
      (await readFile(watch.logFile, 'utf8')).includes('namespace/kube-system'),
    );
    const ended = watch.exited.then(() => performance.now());
    await change();
    const changed = performance.now();
    await until(
      'gone from tsh kube ls',
      async () => (await kubeLs(admin)).every((row) => !row.startsWith('leaving')),
      { withinMs: 5000 },
    );
    const cut = await Promise.race([
      ended,
      new Promise<number>((resolve) => setTimeout(() => resolve(Infinity), 5000)),
    ]);
    expect(cut - changed).toBeLessThan(2000);
  } finally {
    await watch.stop('SIGKILL');
  }
}

/** kubectl around Postern, for arranging objects in the target cluster. */
function onTarget({ targetKubeconfig }: GuideSetting, ...args: string[]): Promise<string> {
  return mustRun('kubectl', ['--kubeconfig', targetKubeconfig, ...args]);
}
