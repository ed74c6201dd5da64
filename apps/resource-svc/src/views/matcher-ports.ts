import { ViewEntryTooLarge, type ViewWriter } from '@postern/bus';
import { type Kysely, sql } from 'kysely';
import type { ResourceDb } from '../database.ts';
import { findResources } from '../resources/resource-table.ts';
import type { EntrySealing } from './entry-sealing.ts';
import type { Telemetry } from '@postern/telemetry';
import type { MatcherPorts, SeedRow, ViewPut } from './view-matcher.ts';

/** JetStream keeps events for a week; a deletion before that can no longer be overtaken by an older event. */
const goneMemoryMs = 8 * 86_400_000;

/** What the matcher sees and changes through. */
export interface MatcherWorld {
  readonly db: Kysely<ResourceDb>;
  readonly writer: ViewWriter;
  readonly sealing: EntrySealing;
  readonly telemetry: Pick<Telemetry, 'log'>;
}

/** The matcher's view of Postgres and the bus. */
export function matcherPorts(world: MatcherWorld): MatcherPorts {
  const { db, writer, sealing } = world;
  return {
    loadResources: (refs) => findResources(db, refs),
    goneVersion: async ({ kind, id }) => {
      const query = db
        .selectFrom('resource_gone')
        .select('version')
        .where('kind', '=', kind)
        .where('id', '=', id);
      return (await query.executeTakeFirst())?.version;
    },
    readView: (hash) => writer.read(hash),
    isCurrent: (hash, entry) => sealing.isCurrent(hash, entry),
    putEntries: async (puts) => {
      const sealed = await sealing.seal(puts);
      await Promise.all(sealed.map((put) => putFitting(world, put)));
    },
  };
}

/** One resource that fits into no message must not keep everything else from being told. It is in no view until it is smaller. */
async function putFitting({ writer, telemetry }: MatcherWorld, { hash, entry }: ViewPut): Promise<void> {
  try {
    await writer.put(hash, entry);
  } catch (error) {
    if (!ViewEntryTooLarge.is(error)) throw error;
    const { kind, id, rev, revision } = entry;
    telemetry.log.error('a resource is too large for its views', { kind, id, view: hash });
    await writer.put(hash, { kind, id, rev, revision });
  }
}

/** Where every resource stands, and what was deleted lately. */
export async function seedRows(db: Kysely<ResourceDb>, now: Date): Promise<SeedRow[]> {
  const present = await db
    .selectFrom('resource')
    .select([
      'kind',
      'id',
      'version',
      sql<Record<string, string> | null>`doc -> 'metadata' -> 'labels'`.as('labels'),
    ])
    .execute();
  const gone = await db
    .selectFrom('resource_gone')
    .select(['kind', 'id', 'version'])
    .where('at', '>', new Date(now.getTime() - goneMemoryMs))
    .execute();
  return [...present.map((row) => ({ ...row, labels: row.labels ?? {} })), ...gone];
}
