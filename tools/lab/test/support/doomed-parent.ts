import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A server whose owner is a process of its own. */
export interface DoomedServer {
  readonly url: string;
  readonly pid: number;
  /** Kills the owner with -9; the server lives on without one. */
  readonly killOwner: () => Promise<void>;
}

/** Runs a server under another process. */
export async function startUnderDoomedParent(kind: 'postgres' | 'nats', dir: string): Promise<DoomedServer> {
  const script = new URL('keep-server.ts', import.meta.url).pathname;
  const owner = spawn(process.execPath, [script, kind, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(owner, 'exit');
  const lines = createInterface({ input: owner.stdout });
  const [line] = (await Promise.race([once(lines, 'line'), ended.then(() => ['{}'])])) as [string];
  const { url, pid } = JSON.parse(line) as { url?: string; pid?: number };
  if (!url || !pid) throw new Error(`the owner of ${kind} ended before its server was up`);
  return {
    url,
    pid,
    async killOwner() {
      owner.kill('SIGKILL');
      await ended;
    },
  };
}
