import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { subjectToken } from '@postern/contracts';
import { FactLog, type FactLogDeps, type FactLogOptions } from './fact-log.ts';
import { holdFolder } from './hold-folder.ts';

/** How facts are kept until the bus has them. */
export interface FactSettings extends Omit<FactLogOptions, 'folder'> {
  /** Without one the journal does not outlive the process. */
  readonly dataDir: string | undefined;
}

/**
 * Opens the facts of an agent below its data directory: each agent has a journal of its own, which no other may publish. Throws
 * FolderInUse where another process has it open.
 */
export async function openFacts(
  deps: FactLogDeps,
  { dataDir, ...options }: FactSettings,
): Promise<AsyncDisposable & FactLog> {
  if (dataDir === undefined) return openTemporary(deps, options);
  const journals = join(dataDir, 'facts');
  const own = subjectToken(deps.agentId);
  const folder = join(journals, own);
  const held = holdFolder(folder);
  const closed = () => held[Symbol.dispose]();
  const facts = await FactLog.open({ ...deps, closed }, { ...options, folder }).catch((error: unknown) => {
    closed();
    throw error;
  });
  const others = readdirSync(journals).filter((name) => name !== own);
  if (others.length > 0)
    deps.log.warn('there are facts of an identity that this process does not have any more', {
      folder: journals,
      agents: others.join(','),
    });
  return facts;
}

async function openTemporary(deps: FactLogDeps, options: Omit<FactLogOptions, 'folder'>): Promise<FactLog> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-facts-'));
  deps.log.warn(
    'no data directory is configured: facts that the bus has not acknowledged end with this process',
  );
  return FactLog.open(
    { ...deps, closed: () => rmSync(folder, { recursive: true, force: true }) },
    { ...options, folder },
  );
}
