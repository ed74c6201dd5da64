import { ResourceUpserted } from '@postern/contracts';
import { type Kysely, sql } from 'kysely';
import type { PolicyChange } from './policy-moment.ts';

interface Row {
  readonly event_id: string;
  readonly stream_id: string;
  readonly version: number;
  readonly type: string;
  readonly at: Date;
}

/** Every change of a role, user or lock ever recorded, in the order of recording. */
export async function policyChanges<Db>(db: Kysely<Db>): Promise<PolicyChange[]> {
  // The condition is that of the index es_event_of_policy, word for word.
  const { rows } = await sql<Row>`
    select event_id, stream_id, version, type, at from es_event
    where type in ('ResourceUpserted', 'ResourceDeleted')
      and (stream_id like 'role/%' or stream_id like 'user/%' or stream_id like 'lock/%')
    order by seq`.execute(db);
  return rows.map(({ event_id: eventId, stream_id: stream, version, type, at }) => {
    const slash = stream.indexOf('/');
    const isPresent = type === ResourceUpserted.type;
    return { eventId, kind: stream.slice(0, slash), id: stream.slice(slash + 1), version, isPresent, at };
  });
}
