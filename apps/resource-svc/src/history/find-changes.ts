import { failure } from '@postern/core';
import { type Kysely, sql } from 'kysely';
import type { ResourceDb } from '../database.ts';

const InvalidCursor = failure(
  'invalid_argument',
  'resource.invalid_cursor',
  () => 'before must be what the answer before gave as next',
);

/** Which changes of all resources to find, the newest first. */
export interface ChangeSearch {
  readonly kinds: readonly string[];
  readonly user?: string | undefined;
  readonly since?: Date | undefined;
  /** `cursor` of the last one found before. */
  readonly before?: string | undefined;
  readonly limit: number;
}

/** A change, and where older ones go on. */
export interface FoundChange {
  readonly eventId: string;
  readonly cursor: string;
}

/** Finds changes in the list that the projection keeps. */
export async function findChanges(db: Kysely<ResourceDb>, search: ChangeSearch): Promise<FoundChange[]> {
  const { kinds, user, since, before, limit } = search;
  const place = before === undefined ? undefined : placeOf(before);
  const rows = await db
    .selectFrom('resource_change')
    .select(['event_id', 'at'])
    .where('kind', 'in', kinds)
    .$if(user !== undefined, (query) => query.where('by_user', '=', user!))
    .$if(since !== undefined, (query) => query.where('at', '>=', since!))
    .$if(place !== undefined, (query) =>
      query.where(sql<boolean>`(at, event_id) < (${place?.at}::timestamptz, ${place?.eventId}::uuid)`),
    )
    .orderBy('at', 'desc')
    .orderBy('event_id', 'desc')
    .limit(limit)
    .execute();
  return rows.map(({ event_id: eventId, at }) => ({ eventId, cursor: `${at.toISOString()}_${eventId}` }));
}

function placeOf(cursor: string): { readonly at: string; readonly eventId: string } {
  const match =
    /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(cursor);
  if (!match || Number.isNaN(Date.parse(match[1]!))) throw InvalidCursor();
  return { at: match[1]!, eventId: match[2]! };
}
