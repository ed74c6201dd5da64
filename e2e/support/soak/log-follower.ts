import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import type { KubectlWork } from './kubectl-load.ts';

/** What came of following a log. */
export interface Followed {
  lines: number;
  sessions: number;
}

const againMs = 500;

/** Follows the log of a pod that counts, again whenever it was cut; within one session no line may be missing or twice. */
export async function followLogs(work: KubectlWork, pod: string, followed: Followed): Promise<void> {
  const { ledger, signal, disturbances } = work;
  while (!signal.aborted) {
    const begun = Date.now();
    const outcome = await oneSession(work, pod, followed);
    followed.sessions += 1;
    if (signal.aborted) return;
    if (outcome.gap !== '') ledger.failed('kubectl logs -f', outcome.gap);
    if (!disturbances.coveredBy(Math.max(begun, Date.now() - againMs), Date.now()))
      ledger.failed('kubectl logs -f', `it ended by itself: ${outcome.said}`);
    else ledger.of('kubectl logs -f').retried += 1;
    await delay(againMs);
  }
}

function oneSession(
  { kubeconfig, namespace, env, signal, ledger }: KubectlWork,
  pod: string,
  followed: Followed,
): Promise<{ readonly gap: string; readonly said: string }> {
  const args = ['--kubeconfig', kubeconfig, '-n', namespace, 'logs', '-f', pod, '--tail=1'];
  const child = spawn('kubectl', args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let last: number | undefined;
  let gap = '';
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-1000)));
  const take = (line: string) => {
    const count = Number(/^tick (\d+)$/.exec(line)?.[1] ?? Number.NaN);
    if (last !== undefined && count !== last + 1) gap ||= `"${line}" came behind tick ${last}`;
    last = count;
    followed.lines += 1;
    ledger.of('kubectl logs -f').done += 1;
  };
  // What a cut left of the last line says nothing.
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) take(line);
  });
  const stop = () => child.kill('SIGKILL');
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => {
      signal.removeEventListener('abort', stop);
      resolve({ gap, said });
    });
  });
}
