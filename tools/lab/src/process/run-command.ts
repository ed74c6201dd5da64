import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { atExit } from './at-exit.ts';

const LINES_KEPT = 30;

/** How a command runs. `onLine` hears each line of its output as it comes. */
export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal | undefined;
  readonly onLine?: (line: string) => void;
  readonly niceness?: number;
}

/** Runs a command to its end and answers its standard output; rejects, with its last lines, when it fails. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const nice = options.niceness ? ['nice', '-n', String(options.niceness)] : [];
  const [program, ...rest] = [...nice, command, ...args];
  options.signal?.throwIfAborted();
  // A process group of its own: make and apt start children, and an abort must reach them all.
  const child = spawn(program!, rest, {
    ...(options.cwd ? { cwd: options.cwd } : {}),
    ...(options.env ? { env: options.env } : {}),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const abort = () => killGroup(child.pid);
  options.signal?.addEventListener('abort', abort, { once: true });
  const forget = atExit(abort);
  const output: string[] = [];
  const tail: string[] = [];
  const hear = (line: string) => {
    tail.push(line);
    if (tail.length > LINES_KEPT) tail.shift();
    options.onLine?.(line);
  };
  readLines(child.stdout, (line) => (output.push(line), hear(line)));
  readLines(child.stderr, hear);
  return new Promise<string>((resolve, reject) => {
    child.once('error', (error) =>
      reject(new Error(`cannot run ${command}: ${error.message}`, { cause: error })),
    );
    child.once('close', (code, signal) => {
      if (options.signal?.aborted) reject(options.signal.reason);
      else if (code === 0) resolve(output.join('\n'));
      else reject(new Error(`${command} ended with ${signal ?? `status ${code}`}:\n${tail.join('\n')}`));
    });
  }).finally(() => {
    options.signal?.removeEventListener('abort', abort);
    forget();
  });
}

function readLines(stream: Readable, onLine: (line: string) => void): void {
  createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', onLine);
}

function killGroup(pid: number | undefined): void {
  if (!pid) return;
  try {
    process.kill(-pid, 'SIGTERM');
  } catch {
    // It has ended on its own.
  }
}
