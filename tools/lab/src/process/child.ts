import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { atExit } from './at-exit.ts';
import { recordChild, releaseClaim } from './claim-file.ts';
import { logTail } from './log-tail.ts';
import { claimOrReap } from './reap-orphan.ts';
import { identifyProcess } from './process-identity.ts';

const GRACE_MS = 10_000;

/** What to start. `name` names its pid file and its log in `dir`. */
export interface ChildOptions {
  readonly name: string;
  readonly dir: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly stopSignal?: NodeJS.Signals;
  readonly graceMs?: number;
  /** Runs when this process owns the pid file and no orphan is left, just before the start. */
  readonly beforeSpawn?: () => Promise<void>;
}

/** A server process of the lab. It outlives a kill -9 of this process and is then stopped by the next start. */
export interface Child {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** Resolves with a sentence on how it ended. */
  readonly exited: Promise<string>;
  /** How it ended and its last log lines, or undefined while it runs. */
  readonly failure: () => string | undefined;
  /** Asks it to end, waits, and kills it when it does not. */
  readonly stop: () => Promise<void>;
  /** Kills it as a power switch would. */
  readonly kill9: () => Promise<void>;
}

/** Starts a server; an orphan of an earlier run in the same folder is stopped first. */
export async function startChild(options: ChildOptions): Promise<Child> {
  const pidFile = join(options.dir, `${options.name}.pid`);
  await claimOrReap(pidFile, options.name, { signal: options.stopSignal, graceMs: options.graceMs });
  const logFile = join(options.dir, `${options.name}.log`);
  try {
    await options.beforeSpawn?.();
    const running = await spawnInto(logFile, options);
    const identity = identifyProcess(running.pid!);
    if (identity) recordChild(pidFile, identity);
    return watch(running, { ...options, logFile, pidFile });
  } catch (error) {
    releaseClaim(pidFile);
    throw error;
  }
}

function spawnInto(logFile: string, options: ChildOptions): Promise<ChildProcess> {
  // The log is a file and not a pipe: a pipe would break, and the server with it, when this process is killed.
  const log = openSync(logFile, 'a', 0o600);
  return new Promise<ChildProcess>((resolve, reject) => {
    const child = spawn(options.command, options.args, {
      stdio: ['ignore', log, log],
      // Out of the terminal's process group: Ctrl-C is for us, who then stop the servers in order.
      detached: true,
      ...(options.env ? { env: options.env } : {}),
    });
    child.once('error', (error) =>
      reject(new Error(`cannot start ${options.command}: ${error.message}`, { cause: error })),
    );
    child.once('spawn', () => resolve(child));
  }).finally(() => closeSync(log));
}

function watch(child: ChildProcess, options: ChildOptions & { logFile: string; pidFile: string }): Child {
  const { name, logFile, pidFile } = options;
  let ended: string | undefined;
  const forget = atExit(() => child.kill(options.stopSignal ?? 'SIGTERM'));
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => {
      ended = `${name} ended with ${signal ?? `status ${code}`}`;
      forget();
      releaseClaim(pidFile);
      resolve(ended);
    });
  });
  const end = async (signal: NodeJS.Signals) => {
    if (ended) return;
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), options.graceMs ?? GRACE_MS);
    await exited.finally(() => clearTimeout(timer));
  };
  return {
    name,
    pid: child.pid!,
    logFile,
    exited,
    failure: () => (ended ? `${ended}; the last lines of ${logFile}:\n${logTail(logFile)}` : undefined),
    stop: () => end(options.stopSignal ?? 'SIGTERM'),
    kill9: () => end('SIGKILL'),
  };
}
