import { mayRule } from '@postern/access';
import {
  RecordingContent,
  recordingPartBytes,
  RecordingRef,
  type RecordingRow,
  RecordingsQuery,
  RecordingsReply,
  RecordingView,
} from '@postern/contracts';
import { failure } from '@postern/core';
import { allowIf, Forbidden, route } from '@postern/http';
import type { Principal } from '@postern/identity';
import { type Selectable, sql } from 'kysely';
import { Type } from 'typebox';
import { placeOf, timeOf } from '../audit/list-requests.ts';
import type { RecordingTable } from '../database.ts';
import { callerOf, type ServiceDeps } from '../service-deps.ts';
import { refOf, storedAs } from './store-recording.ts';

const RecordingNotFound = failure(
  'not_found',
  'inventory.recording_not_found',
  (id: string) =>
    `there is no recording of session ${id} that you may see; it is stored when the session has ended`,
);

const defaultLimit = 100;
const maxLimit = 1000;

/** Whose recordings a caller sees: everybody's by a rule, and always its own. */
function sightOf(
  deps: ServiceDeps,
  principal: Principal,
  verb: 'list' | 'read',
): { readonly user: string; readonly isOfAll: boolean } {
  const user = callerOf(deps, principal);
  if (!user) throw Forbidden();
  return { user: user.name, isOfAll: mayRule(deps.policy.rolesOf(user), 'session', verb) };
}

const seesOwn = allowIf<ServiceDeps>(
  'a user; sees sessions of its own, and those of others by a rule on session',
  ({ deps, principal }) => callerOf(deps, principal) !== undefined,
);

export const listRecordings = route<ServiceDeps>()({
  method: 'GET',
  url: '/v1/recordings',
  allow: seesOwn,
  query: RecordingsQuery,
  reply: RecordingsReply,
  async handle(deps, { query, principal }) {
    const { user, isOfAll } = sightOf(deps, principal, 'list');
    const limit = Math.min(Number(query.limit ?? defaultLimit), maxLimit);
    let rows = deps.db.selectFrom('recording').selectAll().where('stored_at', 'is not', null);
    // Before the limit, so that what is not shown does not show in how many are.
    if (!isOfAll) rows = rows.where('username', '=', user);
    if (query.user !== undefined) rows = rows.where('username', '=', query.user);
    if (query.cluster !== undefined) rows = rows.where('cluster', '=', query.cluster);
    if (query.since !== undefined) rows = rows.where('started_at', '>=', timeOf(query.since));
    if (query.before !== undefined) {
      const { at, id } = placeOf(query.before);
      rows = rows.where(sql<boolean>`(started_at, session_id) < (${at}::timestamptz, ${id}::uuid)`);
    }
    const found = await rows
      .orderBy('started_at', 'desc')
      .orderBy('session_id', 'desc')
      .limit(limit + 1)
      .execute();
    const shown = found.slice(0, limit);
    const last = found.length > limit ? shown.at(-1) : undefined;
    const next = last ? `${last.started_at.toISOString()}_${last.session_id}` : '';
    return { recordings: shown.map(shownRow), next };
  },
});

export const getRecording = route<ServiceDeps>()({
  method: 'GET',
  url: '/v1/recordings/:id',
  allow: seesOwn,
  params: RecordingRef,
  reply: RecordingView,
  async handle(deps, { params: { id }, principal }) {
    const row = await visibleRow(deps, principal, id);
    const stored = await storedAs(deps.store, id);
    if (!stored) throw RecordingNotFound(id);
    return { recording: shownRow(row), sha256: stored.sha256 };
  },
});

export const readRecordingPart = route<ServiceDeps>()({
  method: 'GET',
  url: '/v1/recordings/:id/parts/:offset',
  allow: seesOwn,
  params: Type.Object({ ...RecordingRef.properties, offset: Type.String({ pattern: '^[0-9]{1,12}$' }) }),
  reply: RecordingContent,
  async handle(deps, { params: { id, offset }, principal }) {
    const row = await visibleRow(deps, principal, id);
    const data = await deps.recordings.contents.read(refOf(row), Number(offset), recordingPartBytes);
    return { data: data.toString('base64') };
  },
});

type Row = Selectable<RecordingTable>;

/** What somebody may not see is not there for them. */
async function visibleRow(deps: ServiceDeps, principal: Principal, id: string): Promise<Row> {
  const { user, isOfAll } = sightOf(deps, principal, 'read');
  let rows = deps.db
    .selectFrom('recording')
    .selectAll()
    .where('session_id', '=', id)
    .where('stored_at', 'is not', null);
  if (!isOfAll) rows = rows.where('username', '=', user);
  const row = await rows.executeTakeFirst();
  if (!row) throw RecordingNotFound(id);
  return row;
}

function shownRow(row: Row): RecordingRow {
  return {
    ...row.head,
    command: row.command,
    bytes: row.bytes,
    isComplete: row.is_complete,
    storedAt: row.stored_at!.toISOString(),
  };
}
