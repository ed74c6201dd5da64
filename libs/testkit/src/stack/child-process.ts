import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A process of the product under test: started, watched and stopped by pid. */
export interface RunningProcess {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** Resolves with the exit code, or the negated signal number's name, when it ends. */
  readonly exited: Promise<number | NodeJS.Signals>;
  /** SIGTERM, then SIGKILL after 15 s. */
  stop(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals>;
  /** As a crash would. */
  kill9(): Promise<void>;
  /** Stops it from running without its knowledge, as a starved machine does; `thaw` lets it go on. */
  freeze(): void;
  thaw(): void;
  /** How it ended; undefined while it runs. */
  outcome(): number | NodeJS.Signals | undefined;
  /** The last lines of its log: the file itself may be gone when somebody asks why. */
  lastWords(): Promise<string>;
}

/** What to run. */
export interface ProcessSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly logDir: string;
  /** Signals go to the whole process group, as those of a terminal do. */
  readonly group?: boolean;
}

const lastLines = 20;

/** Starts a process whose output goes to `<logDir>/<name>.log`. */
export function startProcess(spec: ProcessSpec): RunningProcess {
  const logFile = join(spec.logDir, `${spec.name}.log`);
  const log = createWriteStream(logFile, { flags: 'a' });
  const child = spawn(spec.command, spec.args, {
    cwd: spec.cwd,
    env: spec.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: spec.group ?? false,
  });
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  const exited = untilExit(child);
  const send = (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    process.kill(spec.group ? -child.pid : child.pid, signal);
  };
  return {
    name: spec.name,
    pid: child.pid ?? -1,
    logFile,
    exited,
    stop: (signal = 'SIGTERM') => stop(send, exited, signal),
    async kill9() {
      send('SIGKILL');
      await exited;
    },
    freeze: () => send('SIGSTOP'),
    thaw: () => send('SIGCONT'),
    outcome: () => child.exitCode ?? child.signalCode ?? undefined,
    async lastWords() {
      await new Promise((resolve) => log.write('', resolve));
      return (await readFile(logFile, 'utf8')).trimEnd().split('\n').slice(-lastLines).join('\n');
    },
  };
}

function untilExit(child: ChildProcess): Promise<number | NodeJS.Signals> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 1));
  });
}

async function stop(
  send: (signal: NodeJS.Signals) => void,
  exited: Promise<number | NodeJS.Signals>,
  signal: NodeJS.Signals,
): Promise<number | NodeJS.Signals> {
  send(signal);
  // A frozen one would not hear of it.
  send('SIGCONT');
  const timer = setTimeout(() => send('SIGKILL'), 15_000);
  const outcome = await exited;
  clearTimeout(timer);
  return outcome;
}
