import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { findOnPath } from '../assets/find-on-path.ts';
import { runCommand } from '../process/run-command.ts';

const OTHERS_MAY_ENTER = 0o001;
const capabilities = { dac_override: 1n, dac_read_search: 2n } as const;

/** As whom Postgres runs. Without uid it is the user of this process. */
export interface ServerUser {
  readonly uid?: number;
  readonly gid?: number;
  /** The command and arguments that run a program as this user. */
  wrap(command: string, args: string[]): [string, string[]];
}

/**
 * Postgres refuses to run as root, so root runs it as the user postgres, who is created when missing. When that user cannot
 * enter the folders on the way to the paths (a checkout under /root), the server gets the one capability that opens them.
 */
export async function runAsPostgres(paths: readonly string[]): Promise<ServerUser> {
  if (process.getuid?.() !== 0) return { wrap: (command, args) => [command, args] };
  const setpriv = findOnPath('setpriv');
  if (!setpriv)
    throw new Error(
      'Postgres cannot run as root and setpriv (of util-linux) is missing: run as another user',
    );
  const { uid, gid } = findUser() ?? (await createUser());
  const capability = paths.every(isOpenToOthers) ? undefined : heldCapability();
  const drop = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'];
  const keep = capability ? keepCapability(capability) : [];
  return { uid, gid, wrap: (command, args) => [setpriv, [...drop, ...keep, command, ...args]] };
}

function findUser(): { uid: number; gid: number } | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((each) => each.startsWith('postgres:'));
  const fields = line?.split(':');
  return fields ? { uid: Number(fields[2]), gid: Number(fields[3]) } : undefined;
}

async function createUser(): Promise<{ uid: number; gid: number }> {
  const flags = ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin'];
  await runCommand(findOnPath('useradd') ?? 'useradd', [...flags, 'postgres']);
  const user = findUser();
  if (!user)
    throw new Error(
      'Postgres cannot run as root and the user postgres could not be created: run as another user',
    );
  return user;
}

function isOpenToOthers(path: string): boolean {
  for (let dir = dirname(path); ; dir = dirname(dir)) {
    if (!(statSync(dir).mode & OTHERS_MAY_ENTER)) return false;
    if (dir === dirname(dir)) return true;
  }
}

/**
 * The flags that let a capability survive the change of user and the start of the program. Without the secure bit, access(2),
 * by which Postgres looks for its own programs, would still ignore it.
 */
function keepCapability(capability: string): string[] {
  return ['--securebits=+no_setuid_fixup', `--inh-caps=+${capability}`, `--ambient-caps=+${capability}`];
}

/** The least of the two capabilities that enter closed folders which this process has to give. */
function heldCapability(): string {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  const holds = (bit: bigint) => ((BigInt(`0x${effective}`) >> bit) & 1n) === 1n;
  if (holds(capabilities.dac_read_search)) return 'dac_read_search';
  if (holds(capabilities.dac_override)) return 'dac_override';
  throw new Error(
    'the user postgres cannot enter the folder of the data directory: choose one that others may enter',
  );
}
