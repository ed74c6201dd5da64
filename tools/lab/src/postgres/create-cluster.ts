import { chownSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { runCommand } from '../process/run-command.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import type { ServerUser } from './server-user.ts';

/** What a new cluster needs to know. */
export interface NewCluster {
  readonly dataDir: string;
  readonly binaries: PostgresBinaries;
  readonly user: ServerUser;
  readonly durable: boolean;
}

/** Creates a cluster under another name and renames it: an initdb that was killed half way leaves nothing in its place. */
export async function createCluster({ dataDir, binaries, user, durable }: NewCluster): Promise<void> {
  const draft = `${dataDir}.new`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { mode: 0o700 });
  if (user.uid !== undefined) chownSync(draft, user.uid, user.gid!);
  const [command, args] = user.wrap(binaries.initdb, [
    `--pgdata=${draft}`,
    '--username=postgres',
    '--auth=scram-sha-256',
    `--pwfile=${dataDir}.password`,
    '--encoding=UTF8',
    // The same order of texts on every machine, whatever locales it has.
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    ...(durable ? [] : ['--no-sync']),
  ]);
  await runCommand(command, args);
  renameSync(draft, dataDir);
}
