import type { AuditedRequestRow } from '@postern/contracts';
import { type Kysely, sql } from 'kysely';
import type { InventoryDb } from '../database.ts';

/** Which requests to find; an absent part does not matter. */
export interface RequestFilter {
  readonly user?: string;
  readonly cluster?: string;
  readonly decision?: 'allow' | 'deny';
  readonly since?: Date;
  /** Only those older than this one. */
  readonly before?: { readonly at: string; readonly id: string };
  readonly limit: number;
}

/** A request that was found, and its place among the others. */
export interface FoundRequest {
  readonly request: AuditedRequestRow;
  readonly place: string;
}

const columns = [
  'event_id',
  'request_id',
  'at',
  'username',
  'cluster',
  'decision',
  'reason',
  'verb',
  'api_group',
  'resource',
  'subresource',
  'namespace',
  'name',
  'outcome',
  'status',
  'is_stream',
  'duration_ms',
  'bytes_in',
  'bytes_out',
  'source_ip',
] as const;

/** Requests to clusters, the newest first. */
export async function findRequests(db: Kysely<InventoryDb>, filter: RequestFilter): Promise<FoundRequest[]> {
  const { user, cluster, decision, since, before, limit } = filter;
  let query = db.selectFrom('kube_request').select(columns);
  if (user !== undefined) query = query.where('username', '=', user);
  if (cluster !== undefined) query = query.where('cluster', '=', cluster);
  if (decision !== undefined) query = query.where('decision', '=', decision);
  if (since !== undefined) query = query.where('at', '>=', since);
  if (before !== undefined) {
    query = query.where(sql<boolean>`(at, event_id) < (${before.at}::timestamptz, ${before.id}::uuid)`);
  }
  const rows = await query.orderBy('at', 'desc').orderBy('event_id', 'desc').limit(limit).execute();
  return rows.map((row) => ({ request: requestOf(row), place: `${row.at.toISOString()}_${row.event_id}` }));
}

type Row = Pick<InventoryDb['kube_request'], (typeof columns)[number]>;

function requestOf(row: Row): AuditedRequestRow {
  return {
    requestId: row.request_id,
    at: row.at.toISOString(),
    user: row.username,
    cluster: row.cluster,
    decision: row.decision === 'allow' ? 'allow' : 'deny',
    reason: row.reason,
    verb: row.verb,
    apiGroup: row.api_group,
    resource: row.resource,
    subresource: row.subresource,
    namespace: row.namespace,
    name: row.name,
    outcome: row.outcome === 'known' ? 'known' : 'unknown',
    status: row.status,
    isStream: row.is_stream,
    durationMs: row.duration_ms,
    bytesIn: row.bytes_in,
    bytesOut: row.bytes_out,
    sourceIp: row.source_ip,
  };
}
