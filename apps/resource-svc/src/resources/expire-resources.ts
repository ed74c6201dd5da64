import { derivedUuid } from '@postern/core';
import { streamOf } from './resource-name.ts';
import { type ResourceStore, runCommand } from './run-command.ts';

const batchSize = 100;

/** Records the end of every resource whose time has passed. Answers how many there were. */
export async function expireResources(deps: ResourceStore): Promise<number> {
  const now = deps.clock();
  const rows = await deps.store.db
    .selectFrom('resource')
    .select(['kind', 'id', 'version'])
    .where('expires', '<=', now)
    .orderBy('expires')
    .limit(batchSize)
    .execute();
  for (const { kind, id, version } of rows) {
    const ref = { kind, id };
    await runCommand(deps, {
      command: { type: 'DeleteResource', ref, reason: 'expired', name: id, now },
      commandId: derivedUuid('expire', streamOf(ref), String(version)),
    });
  }
  return rows.length;
}
