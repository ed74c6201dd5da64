import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** TCP sockets of a process, from `/proc`. */
export interface ProcessSockets {
  /** Ports on which it listens. */
  readonly listening: readonly number[];
  /** Ports at the other end of its connections. */
  readonly connectedTo: readonly number[];
}

const established = '01';
const listen = '0A';

/** Reads which sockets a process has at this moment. */
export function socketsOf(pid: number): ProcessSockets {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const match = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`));
      return match ? [match[1]!] : [];
    }),
  );
  const rows = ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((columns) => inodes.has(columns[9] ?? '')),
  );
  const portIn = (address = '') => Number.parseInt(address.split(':').at(-1) ?? '', 16);
  return {
    listening: rows.filter(([, , , state]) => state === listen).map(([, local]) => portIn(local)),
    connectedTo: rows.filter(([, , , state]) => state === established).map(([, , remote]) => portIn(remote)),
  };
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // Closed meanwhile.
    return '';
  }
}
