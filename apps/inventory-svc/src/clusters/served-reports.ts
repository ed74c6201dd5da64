import type { ServedCluster, ServedReport } from '@postern/contracts';
import { type Kysely, sql } from 'kysely';
import type { InventoryDb } from '../database.ts';

/** A report and when it arrived. */
export interface SeenReport extends ServedReport {
  readonly at: Date;
}

/** What an online agent says it serves. */
export interface OnlineReport {
  readonly agentId: string;
  readonly hostname: string;
  readonly version: string;
  readonly clusters: readonly ServedCluster[];
  /** When its last heartbeat is too old. */
  readonly expires: Date;
}

/** Heartbeats that may be missed before an agent counts as gone. */
const missable = 3;

/**
 * Writes reports in one statement. One of an older run or revision changes nothing; which run is the current one is, in
 * doubt, what the heartbeats say.
 */
export async function writeReports(db: Kysely<InventoryDb>, reports: readonly SeenReport[]): Promise<void> {
  const column = <T>(pick: (report: SeenReport) => T): T[] => reports.map(pick);
  await sql`
    insert into served_report as r (agent_id, run, started_at, revision, reported_at, clusters)
    select * from unnest(
      ${column((r) => r.agentId)}::text[], ${column((r) => r.run)}::text[], ${column((r) => r.startedAt)}::timestamptz[],
      ${column((r) => r.revision)}::bigint[], ${column((r) => r.at)}::timestamptz[],
      ${column((r) => JSON.stringify(r.clusters))}::jsonb[]
    )
    on conflict (agent_id) do update set
      run = excluded.run, started_at = excluded.started_at, revision = excluded.revision,
      reported_at = excluded.reported_at, clusters = excluded.clusters
    where (excluded.run = r.run and excluded.revision >= r.revision)
      or (excluded.run <> r.run and (
        excluded.started_at > r.started_at
        or exists (select 1 from agent a where a.agent_id = excluded.agent_id and a.run = excluded.run)
      ))`.execute(db);
}

/** What the agents that are online say they serve. */
export async function onlineReports(db: Kysely<InventoryDb>): Promise<OnlineReport[]> {
  const rows = await db
    .selectFrom('served_report as r')
    .innerJoin('agent as a', 'a.agent_id', 'r.agent_id')
    .select(['a.agent_id as agentId', 'a.hostname', 'a.version', 'r.clusters'])
    .select(sql<Date>`a.last_seen + ${missable} * a.interval_ms * interval '1 millisecond'`.as('expires'))
    .where('a.presence', '=', 'online')
    .orderBy('a.agent_id')
    .execute();
  return rows;
}

/** The reports of the agents that are online and serve something, as they sent them: for edges, which route by them. */
export async function routeReports(db: Kysely<InventoryDb>): Promise<ServedReport[]> {
  const rows = await db
    .selectFrom('served_report as r')
    .innerJoin('agent as a', 'a.agent_id', 'r.agent_id')
    .select(['r.agent_id', 'r.run', 'r.started_at', 'r.revision', 'r.clusters'])
    .where('a.presence', '=', 'online')
    .where(sql<boolean>`r.clusters <> '[]'`)
    .execute();
  return rows.map((row) => ({
    agentId: row.agent_id,
    run: row.run,
    startedAt: row.started_at.toISOString(),
    revision: row.revision,
    clusters: row.clusters,
  }));
}

/** What an agent said last that it serves. */
export async function reportOf(db: Kysely<InventoryDb>, agentId: string): Promise<readonly ServedCluster[]> {
  const report = db.selectFrom('served_report').select('clusters').where('agent_id', '=', agentId);
  return (await report.executeTakeFirst())?.clusters ?? [];
}
