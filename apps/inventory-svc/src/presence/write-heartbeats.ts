import { type Kysely, sql } from 'kysely';
import type { InventoryDb } from '../database.ts';
import type { SeenHeartbeat } from './pending-heartbeats.ts';

/** An agent whose heartbeat calls for something. */
export interface Noted {
  readonly agentId: string;
  /** It was offline, as far as anybody knew. */
  readonly isBack: boolean;
  /** Its report of what it serves is not the one its heartbeat speaks of. */
  readonly isReportStale: boolean;
}

interface NotedRow {
  agent_id: string;
  is_back: boolean;
  is_report_stale: boolean;
}

const maxRows = 5_000;

/** Writes heartbeats in few statements and answers for which agents there is more to do. */
export async function writeHeartbeats(
  db: Kysely<InventoryDb>,
  heartbeats: readonly SeenHeartbeat[],
): Promise<Noted[]> {
  const noted: Noted[] = [];
  for (let from = 0; from < heartbeats.length; from += maxRows) {
    noted.push(...(await writeBatch(db, heartbeats.slice(from, from + maxRows))));
  }
  return noted;
}

/**
 * A row only changes for a newer heartbeat, or the same one again where what follows from it failed. The exception is an agent
 * whose clock was set back: after three intervals of silence, whoever speaks is right.
 */
async function writeBatch(db: Kysely<InventoryDb>, batch: readonly SeenHeartbeat[]): Promise<Noted[]> {
  const column = <T>(pick: (heartbeat: SeenHeartbeat) => T): T[] => batch.map(pick);
  const { rows } = await sql<NotedRow>`
    with written as (
      insert into agent as a (agent_id, run, started_at, sequence, interval_ms, last_seen, version, hostname, services, served_revision, clock_offset_ms, last_error, last_error_at, discovery)
      select agent_id, run, started_at, sequence, interval_ms, last_seen, version, hostname, string_to_array(services, ','), served_revision, clock_offset_ms, last_error, last_error_at, discovery
      from unnest(
        ${column((h) => h.agentId)}::text[], ${column((h) => h.run)}::text[], ${column((h) => h.startedAt)}::timestamptz[],
        ${column((h) => h.sequence)}::bigint[], ${column((h) => h.intervalMs)}::int[], ${column((h) => h.at)}::timestamptz[],
        ${column((h) => h.version)}::text[], ${column((h) => h.hostname)}::text[], ${column((h) => h.services.join(','))}::text[],
        ${column((h) => h.servedRevision)}::bigint[], ${column(clockOffsetMs)}::bigint[],
        ${column((h) => h.lastError?.message ?? null)}::text[], ${column((h) => h.lastError?.at ?? null)}::timestamptz[],
        ${column((h) => (h.discovery ? JSON.stringify(h.discovery) : null))}::jsonb[]
      ) as t(agent_id, run, started_at, sequence, interval_ms, last_seen, version, hostname, services, served_revision, clock_offset_ms, last_error, last_error_at, discovery)
      on conflict (agent_id) do update set
        run = excluded.run, started_at = excluded.started_at, sequence = excluded.sequence, interval_ms = excluded.interval_ms,
        last_seen = greatest(excluded.last_seen, a.last_seen), version = excluded.version, hostname = excluded.hostname,
        services = excluded.services, served_revision = excluded.served_revision,
        clock_offset_ms = excluded.clock_offset_ms, last_error = excluded.last_error, last_error_at = excluded.last_error_at,
        discovery = excluded.discovery
      where (excluded.started_at, excluded.sequence) >= (a.started_at, a.sequence)
        or excluded.last_seen > a.last_seen + 3 * a.interval_ms * interval '1 ms'
      returning agent_id, run, served_revision, presence, left_run, left_at, last_seen
    )
    select w.agent_id,
      w.presence = 'offline' and w.run <> w.left_run and w.last_seen > w.left_at as is_back,
      (r.agent_id is null or r.run <> w.run or r.revision < w.served_revision) as is_report_stale
    from written w left join served_report r using (agent_id)
    where w.presence = 'offline' or r.agent_id is null or r.run <> w.run or r.revision < w.served_revision`.execute(
    db,
  );
  return rows.map((row) => ({
    agentId: row.agent_id,
    isBack: row.is_back,
    isReportStale: row.is_report_stale,
  }));
}

function clockOffsetMs({ sentAt, at }: SeenHeartbeat): number | null {
  return sentAt === undefined ? null : Date.parse(sentAt) - at.getTime();
}
