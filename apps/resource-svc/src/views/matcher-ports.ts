import { type Bus, putViewEntry, readViewPage, removeViewEntry } from '@postern/bus';
import type { ViewEntry } from '@postern/contracts';
import { type Kysely, sql } from 'kysely';
import type { ResourceDb } from '../database.ts';
import { findResources } from '../resources/resource-table.ts';
import type { MatcherPorts, SeedRow } from './view-matcher.ts';

/** JetStream keeps events for a week; a deletion before that can no longer be overtaken by an older event. */
const goneMemoryMs = 8 * 86_400_000;

/** The matcher's view of Postgres and the bus. */
export function matcherPorts({
  store: { db },
  bus,
}: {
  store: { db: Kysely<ResourceDb> };
  bus: Bus;
}): MatcherPorts {
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
    readView: (hash) => entriesOf(bus, hash),
    putEntry: (hash, entry) =>
      entry.resource ? putViewEntry(bus, hash, entry) : removeViewEntry(bus, hash, entry),
  };
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

async function* entriesOf(bus: Bus, hash: string): AsyncIterable<ViewEntry> {
  let after = '';
  do {
    const page = await readViewPage(bus, hash, after);
    yield* page.entries;
    after = page.next;
  } while (after !== '');
}
