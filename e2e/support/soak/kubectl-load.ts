import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Finished, runCommand } from '@postern/testkit';
import type { Disturbances } from './disturb.ts';
import type { Ledger } from './ledger.ts';

/** A person who runs kubectl. */
export interface KubectlWork {
  readonly ledger: Ledger;
  readonly disturbances: Disturbances;
  readonly kubeconfig: string;
  readonly env: Readonly<Record<string, string>>;
  readonly namespace: string;
  /** Of the names of what it makes. */
  readonly prefix: string;
  readonly everyMs: number;
  readonly signal: AbortSignal;
}

const maxAttempts = 8;
/** What kubectl says when a connection ended before an answer, or none came about. */
const lost =
  /connection re(?:set|fused)|unexpected EOF|: EOF|http2: |GOAWAY|TLS handshake|i\/o timeout|broken pipe/;

/** Applies, reads, patches and deletes config maps with kubectl, one command at a time. */
export async function workKubectl(work: KubectlWork): Promise<void> {
  for (let count = 0; !work.signal.aborted; count += 1) {
    const name = `${work.prefix}-kubectl-${count}`;
    const document = (turn: string) =>
      JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { turn } });
    const read = ['get', 'configmap', name, '-o', 'jsonpath={.data.turn}'];
    await kubectl(work, { args: ['apply', '-f', '-'], input: document('0') });
    await kubectl(work, { args: read, expected: '0' });
    await kubectl(work, {
      args: ['patch', 'configmap', name, '--type=merge', '-p', '{"data":{"turn":"1"}}'],
    });
    await kubectl(work, { args: read, expected: '1' });
    await kubectl(work, { args: ['delete', 'configmap', name, '--ignore-not-found'] });
  }
}

interface Command {
  readonly args: readonly string[];
  readonly input?: string;
  /** What it writes. */
  readonly expected?: string;
}

/** Every one of these may be repeated: each says how things are to be, and not what to do with them. */
async function kubectl(work: KubectlWork, { args, input, expected }: Command): Promise<void> {
  const { ledger, everyMs } = work;
  const kind = `kubectl ${args[0]}`;
  await delay(everyMs);
  for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
    if (attempt > 1) {
      ledger.of(kind).retried += 1;
      await delay(everyMs);
    }
    const { code, stdout, stderr } = await run(work, [...args, '-v=8'], input);
    noteAnswers(ledger, kind, stderr);
    const said = withoutLog(stderr);
    if (code === 0 && (expected === undefined || stdout === expected)) {
      ledger.of(kind).done += 1;
      return;
    }
    if (code !== 0 && said.includes('may have been done or not')) ledger.unknown(kind, 'told');
    else if (code === 0 || !lost.test(said)) {
      ledger.failed(kind, `${code}: ${stdout} ${said}`);
      return;
    }
  }
  ledger.failed(kind, `not done in ${maxAttempts} attempts`);
}

/** Runs a command in a pod again and again, and compares what it gives back. */
export async function workExec(work: KubectlWork, pod: string): Promise<void> {
  const { ledger, everyMs, signal, disturbances } = work;
  const kind = 'kubectl exec';
  while (!signal.aborted) {
    await delay(everyMs);
    const input = `${randomBytes(2000).toString('hex')}\n`;
    const begun = Date.now();
    const { code, stdout, stderr } = await run(work, ['exec', '-i', pod, '--', 'cat'], input);
    if (code === 0 && stdout === input) ledger.of(kind).done += 1;
    // A session does not outlive the process that carries it.
    else if (disturbances.coveredBy(begun, Date.now())) ledger.of(kind).retried += 1;
    else ledger.failed(kind, `${code}: ${stdout === input ? 'all' : `${stdout.length} bytes`} ${stderr}`);
  }
}

function run(
  { kubeconfig, namespace, env }: KubectlWork,
  args: readonly string[],
  input?: string,
): Promise<Finished> {
  const all = ['--kubeconfig', kubeconfig, '-n', namespace, ...args];
  return runCommand('kubectl', all, { env, ...(input === undefined ? {} : { input }) });
}

const logLine = /^[IWE]\d{4} [\d:.]+ +\d+ /;

/** What kubectl says itself, and not its log of requests. */
function withoutLog(stderr: string): string {
  return stderr
    .split('\n')
    .filter((line) => !logLine.test(line))
    .join('\n');
}

/** Takes the ids of requests about resources from kubectl's own log; requests of discovery have no record. */
function noteAnswers(ledger: Ledger, kind: string, stderr: string): void {
  let isAbout = false;
  for (const line of stderr.split('\n')) {
    const [, url] = /\] (?:GET|POST|PUT|PATCH|DELETE) (https:\S+)/.exec(line) ?? [];
    if (url !== undefined) isAbout = url.includes('/namespaces/');
    const [, id] = /Postern-Request-Id: ([0-9a-f-]{36})/.exec(line) ?? [];
    if (id !== undefined && isAbout) ledger.answered.set(id, kind);
  }
}
