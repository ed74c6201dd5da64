import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { ensureNatsServer } from '@postern/lab';
import { cpuSeconds } from './cpu.ts';
import { nginxEnv } from './nginx.ts';

/** What the figures were measured on, a line for each thing. */
export async function describeMachine(): Promise<string[]> {
  const cores = cpus();
  const nats = firstLine(await ensureNatsServer({}), ['--version']);
  return [
    `${cores.length} cores (${cores[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 1024 ** 3)} GB, load ${loadAverage()}`,
    `Node ${process.version}, ${nats ?? 'no nats-server'}, ${nginxVersion() ?? 'no nginx'}`,
  ];
}

/** nginx as it names itself, if there is one. */
export function nginxVersion(): string | undefined {
  return firstLine('nginx', ['-v'], nginxEnv)?.replace('nginx version: ', '');
}

function firstLine(command: string, args: string[], env = process.env): string | undefined {
  const { stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', env });
  return error ? undefined : (stdout || stderr).trim().split('\n')[0];
}

function loadAverage(): string {
  return readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).join(' ');
}

/** How much of the machine others used, from now until asked. Without this nobody could tell a slow program from a busy machine. */
export function watchOthers(): () => number {
  const [busy, all, own] = [busySeconds(), performance.now(), ownSeconds()];
  return () => {
    const capacity = ((performance.now() - all) / 1000) * cpus().length;
    const others = busySeconds() - busy - (ownSeconds() - own);
    return Math.max(0, others / capacity);
  };
}

/** CPU seconds of all processes since the machine started; idle and waiting for disks left out. */
function busySeconds(): number {
  const [, ...ticks] = readFileSync('/proc/stat', 'utf8').split('\n')[0]!.split(/\s+/).map(Number);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = ticks;
  return (user + nice + system + irq + softirq) / 100;
}

/** CPU seconds of this process and everything it started, also what has ended. */
function ownSeconds(): number {
  return cpuSeconds([process.pid, ...descendants()], { ended: true });
}

/** The processes that this one started, and those that they started. */
export function descendants(of = process.pid): number[] {
  return childrenOf(of).flatMap((pid) => [pid, ...descendants(pid)]);
}

function childrenOf(pid: number): number[] {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const lists = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8'));
    return lists.flatMap((list) =>
      list
        .split(' ')
        .filter((word) => word.trim() !== '')
        .map(Number),
    );
  } catch {
    // It has ended meanwhile.
    return [];
  }
}
