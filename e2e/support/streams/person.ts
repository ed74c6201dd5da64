import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type RunningProcess,
  type SeparateStack,
  startProcess,
  type Tools,
  toolsFor,
  until,
} from '@postern/testkit';
import { stringify } from 'yaml';
import { streamGroup, workspace } from './arrange-workload.ts';

/** The role of a test: for every cluster, unless it says labels. */
interface TestRole {
  readonly name: string;
  readonly resources: readonly object[];
  readonly labels?: Readonly<Record<string, string>>;
}

/** Writes a role to a file for `tctl create -f`. */
export async function writeRole(folder: string, role: TestRole): Promise<string> {
  const { name, resources, labels = { '*': '*' } } = role;
  const allow = {
    kubernetes_labels: labels,
    kubernetes_groups: [streamGroup],
    kubernetes_resources: resources,
  };
  const file = join(folder, `${name}.yaml`);
  await writeFile(file, stringify({ kind: 'role', version: 'v8', metadata: { name }, spec: { allow } }));
  return file;
}

/** Somebody who is to be signed in to a cluster. */
interface Newcomer {
  readonly name: string;
  readonly roles: string;
  readonly folder: string;
  readonly cluster: string;
  /** What kubectl is let do once the person's roles have arrived. */
  readonly may?: readonly string[];
}

/** A person with an identity file that `tctl auth sign` wrote, signed in to the cluster with `tsh kube login`. */
export async function signedInPerson(
  { admin, dataDir }: SeparateStack,
  { name, roles, folder, cluster, may = ['auth', 'can-i', 'get', 'pods', '-n', workspace] }: Newcomer,
): Promise<Tools> {
  const home = join(folder, name);
  await mkdir(home, { recursive: true });
  const identityFile = join(home, 'identity.pem');
  await admin.must('tctl', ['users', 'add', name, `--roles=${roles}`]);
  await admin.must('tctl', [
    'auth',
    'sign',
    `--user=${name}`,
    '--ttl=1h',
    '--format=file',
    `--out=${identityFile}`,
  ]);
  const person = toolsFor({ home, dataDir, identityFile });
  await until(`${name} may reach ${cluster}`, async () => {
    await person.must('tsh', ['kube', 'login', cluster]);
    const { code, stderr } = await person.kubectl(may);
    if (code !== 0) throw new Error(stderr);
    return true;
  });
  return person;
}

/** A kubectl that runs on until it is stopped or cut. */
export interface RunningKubectl extends AsyncDisposable {
  /** What it has written so far, both streams. */
  output(): Promise<string>;
  /** When it ended, by `performance.now()`. */
  readonly endedAt: Promise<number>;
}

/** Starts kubectl and waits until its output matches. */
export async function startKubectl(
  person: Pick<Tools, 'env'>,
  folder: string,
  { args, begins }: { args: readonly string[]; begins: RegExp },
): Promise<RunningKubectl> {
  const process: RunningProcess = startProcess({
    name: `kubectl-${args[0]}-${performance.now()}`,
    command: 'kubectl',
    args,
    env: person.env,
    cwd: folder,
    logDir: folder,
  });
  const endedAt = process.exited.then(() => performance.now());
  const output = () => readFile(process.logFile, 'utf8');
  const running = {
    output,
    endedAt,
    async [Symbol.asyncDispose]() {
      await process.stop('SIGKILL');
    },
  };
  try {
    await until(`kubectl ${args.join(' ')} has begun`, async () => {
      const text = await output();
      if (!begins.test(text)) throw new Error(text);
      return true;
    });
  } catch (error) {
    await process.stop('SIGKILL');
    throw error;
  }
  return running;
}
