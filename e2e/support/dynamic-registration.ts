import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun, plain, root, runCommand, startProcess, type Tools, until } from '@postern/testkit';
import { expect } from 'vitest';
import { parse, stringify } from 'yaml';

/** What the guide needs beside a control plane: an admin at a shell, and a cluster to register. */
export interface GuideSetting {
  readonly admin: Tools;
  readonly folder: string;
  readonly proxyAddr: string;
  /** Admin kubeconfig of the target cluster. */
  readonly targetKubeconfig: string;
}

const kubeAccess = `kind: role
metadata:
  name: kube-access
version: v7
spec:
  allow:
    kubernetes_labels:
      '*': '*'
    kubernetes_resources:
      - kind: '*'
        namespace: '*'
        name: '*'
        verbs: ['*']
    kubernetes_groups:
      - viewers
  deny: {}
`;

const kubeManager = `kind: role
metadata:
  name: kube-manager
spec:
  allow:
    rules:
      - resources:
          - kube_cluster
        verbs:
          - list
          - create
          - read
          - update
          - delete
version: v5
`;

const viewersBinding = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: viewers-crb
subjects:
  - kind: Group
    name: viewers
    apiGroup: rbac.authorization.k8s.io
roleRef:
  kind: ClusterRole
  name: view
  apiGroup: rbac.authorization.k8s.io
`;

/** Starts the Kubernetes service of the guide: token, configure, edit, start. */
export async function startKubeService(
  { admin, folder, proxyAddr }: GuideSetting,
  name: string,
  resources: unknown,
) {
  const token = (
    await admin.must('tctl', ['tokens', 'add', '--type=kube', '--ttl=1h', '--format=text'])
  ).trim();
  expect(token).toMatch(/^[0-9a-f]{32}$/);
  const file = join(folder, `${name}.yaml`);
  await admin.must('postern', [
    'configure',
    `--proxy=${proxyAddr}`,
    '--roles=kube',
    `--token=${token}`,
    `--data-dir=${join(folder, name)}`,
    '-o',
    file,
  ]);
  const config = parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  const edited = stringify({
    ...config,
    kubernetes_service: { enabled: 'yes', resources },
  });
  await writeFile(file, edited);
  return startProcess({
    name,
    command: join(root, 'bin', 'postern'),
    args: ['start', '-c', file],
    env: { ...admin.env, POSTERN_HEARTBEAT_INTERVAL: '2s' },
    cwd: folder,
    logDir: folder,
  });
}

/** Step 2 of the guide: two roles, a user that holds them, an identity of that user, and the binding in the cluster. */
export async function authorizeUser(
  { admin, folder, targetKubeconfig }: GuideSetting,
  user: string,
): Promise<string> {
  await writeFile(join(folder, 'kube-access.yaml'), kubeAccess);
  await writeFile(join(folder, 'kube-manager.yaml'), kubeManager);
  await writeFile(join(folder, 'viewers-bind.yaml'), viewersBinding);
  await admin.must('tctl', ['create', '-f', join(folder, 'kube-access.yaml')]);
  await admin.must('tctl', ['create', '-f', join(folder, 'kube-manager.yaml')]);
  await admin.must('tctl', ['users', 'add', user, '--roles=kube-access']);
  const updated = await admin.must('tctl', [
    'users',
    'update',
    user,
    '--set-roles',
    'kube-access,kube-manager,kube-access',
  ]);
  expect(updated).toContain(`User ${user} has been updated:`);
  await mustRun('kubectl', [
    '--kubeconfig',
    targetKubeconfig,
    'apply',
    '-f',
    join(folder, 'viewers-bind.yaml'),
  ]);
  const identity = join(folder, `${user}.identity`);
  await admin.must('tctl', [
    'auth',
    'sign',
    `--user=${user}`,
    '--ttl=1h',
    '--format=file',
    `--out=${identity}`,
  ]);
  return identity;
}

/** Step 3: the script makes a kubeconfig, which goes into the resource the way the guide writes it, blanks and all. */
export async function writeKubeCluster(
  { folder, targetKubeconfig }: GuideSetting,
  name: string,
  labels = '',
): Promise<string> {
  const work = join(folder, `kubeconfig-of-${name}`);
  await mkdir(work, { recursive: true });
  const script = await runCommand('bash', [join(root, 'tools/get-kubeconfig/get-kubeconfig.sh')], {
    cwd: work,
    env: { PATH: process.env['PATH'] ?? '', HOME: work, KUBECONFIG: targetKubeconfig },
    timeoutMs: 120_000,
  });
  expect(script.stdout + script.stderr).toContain('Done!');
  const file = join(work, 'kube_cluster.yaml');
  await writeFile(
    file,
    `kind: kube_cluster\nversion: v3\nmetadata:\n  name: ${name}\n${labels}spec:\n  kubeconfig: |\n`,
  );
  await appendFile(
    file,
    await mustRun('bash', ['-c', 'printf "    %s" $(cat kubeconfig | base64)'], { cwd: work }),
  );
  const text = await readFile(file, 'utf8');
  expect(text.split('kubeconfig: |\n')[1]!.trim()).toMatch(/\s/);
  return file;
}

/** The rows of `tsh kube ls` without its header, and without the demo cluster that may run beside. */
export async function kubeLs(tools: Tools): Promise<string[]> {
  const text = plain(await tools.must('tsh', ['kube', 'ls']));
  const [header, dashes, ...rows] = text.split('\n');
  expect(header).toBe('kube cluster name labels selected');
  expect(dashes).toMatch(/^-+ -+ -+$/);
  return rows.filter((row) => row !== '' && !row.startsWith('demo '));
}

/** Waits until `tsh kube ls` shows exactly these rows. */
export function untilKubeLs(tools: Tools, rows: readonly string[]): Promise<true> {
  return until(`tsh kube ls shows ${JSON.stringify(rows)}`, async () => {
    const shown = await kubeLs(tools);
    if (JSON.stringify(shown) !== JSON.stringify(rows)) throw new Error(`it shows ${JSON.stringify(shown)}`);
    return true as const;
  });
}
