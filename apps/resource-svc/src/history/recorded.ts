import type { StoredEvent } from '@postern/contracts';
import { type Kysely, sql } from 'kysely';
import type { ResourceDb } from '../database.ts';
import { type ResourceRef, revisionOf, streamOf } from '../resources/resource-name.ts';
import type { ResourceStore } from '../resources/run-command.ts';

type Db = Kysely<ResourceDb>;

/** A change of a resource without what it holds: enough to find the moment that is asked for. */
export interface RecordedStep {
  readonly eventId: string;
  readonly version: number;
  readonly type: string;
  readonly at: Date;
}

/** Which changes of a resource to read, the newest first. */
export interface StepRange {
  readonly limit: number;
  /** Only versions below this one. */
  readonly before?: number | undefined;
  readonly since?: Date | undefined;
  /** Only by one of these SPIFFE ids. */
  readonly actors?: readonly string[] | undefined;
}

const columns = sql`event_id, version, type, at`;

interface StepRow {
  readonly event_id: string;
  readonly version: number;
  readonly type: string;
  readonly at: Date;
}

/** Every change of a resource, oldest first. */
export async function allSteps(db: Db, ref: ResourceRef): Promise<RecordedStep[]> {
  const { rows } = await sql<StepRow>`select ${columns} from es_event
    where stream_id = ${streamOf(ref)} order by version`.execute(db);
  return rows.map(stepOf);
}

/** The newest changes of a resource. */
export async function newestSteps(db: Db, ref: ResourceRef, range: StepRange): Promise<RecordedStep[]> {
  const { limit, before = null, since = null, actors = null } = range;
  const { rows } = await sql<StepRow>`select ${columns} from es_event
    where stream_id = ${streamOf(ref)}
      and (${before}::int is null or version < ${before}::int)
      and (${since}::timestamptz is null or at >= ${since}::timestamptz)
      and (${actors}::text[] is null or meta ->> 'actor' = any(${actors}::text[]))
    order by version desc limit ${limit}`.execute(db);
  return rows.map(stepOf);
}

/** The step that a revision names. */
export function stepAt(
  ref: ResourceRef,
  steps: readonly RecordedStep[],
  revision: string,
): RecordedStep | undefined {
  return steps.findLast(({ version }) => revisionOf(ref, version) === revision);
}

/** The event of a step. */
export async function eventOf(
  store: Pick<ResourceStore['store'], 'find'>,
  { eventId }: Pick<RecordedStep, 'eventId'>,
): Promise<StoredEvent> {
  const [event] = await store.find([eventId]);
  return event!;
}

/** Places of events: a stream, and a version of it. */
export interface Place {
  readonly stream: string;
  readonly version: number;
}

/** The events at these places, those that there are, by place. */
export async function eventsAt(
  store: Pick<ResourceStore['store'], 'db' | 'find'>,
  places: readonly Place[],
): Promise<Map<string, StoredEvent>> {
  const streams = places.map(({ stream }) => stream);
  const versions = places.map(({ version }) => version);
  const { rows } = await sql<{ event_id: string }>`select event_id from es_event
    where (stream_id, version) in (select * from unnest(${streams}::text[], ${versions}::int[]))`.execute(
    store.db,
  );
  const events = await store.find(rows.map(({ event_id }) => event_id));
  return new Map(events.map((event) => [placeKey(event), event]));
}

export function placeKey({ stream, version }: Place): string {
  return `${stream}@${version}`;
}

function stepOf({ event_id, version, type, at }: StepRow): RecordedStep {
  return { eventId: event_id, version, type, at };
}
