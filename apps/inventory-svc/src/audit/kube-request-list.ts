import { type DataOf, KubeRequestAudited, type StoredEvent } from '@postern/contracts';
import { insertRows, onMany, projection } from '@postern/projections';
import type { InventoryDb, KubeRequestTable } from '../database.ts';

/** What was asked of clusters, for searching. Written with the events. */
export const kubeRequestList = projection<InventoryDb>(
  'kube_request_list',
  3,
  ['kube_request'],
  onMany(KubeRequestAudited, (db, requests) =>
    insertRows(
      db,
      'kube_request',
      requests.map(({ data, event }) => rowOf(data, event)),
    ),
  ),
);

function rowOf(data: DataOf<typeof KubeRequestAudited>, event: StoredEvent): KubeRequestTable {
  return {
    event_id: event.id,
    request_id: data.requestId,
    at: new Date(event.meta.occurredAt ?? event.at),
    username: data.user,
    session: data.session,
    cluster: data.cluster,
    decision: data.decision,
    reason: data.reason,
    verb: data.verb,
    api_group: data.apiGroup,
    resource: data.resource,
    subresource: data.subresource,
    namespace: data.namespace,
    name: data.name,
    outcome: data.outcome,
    status: data.status,
    is_stream: data.isStream,
    duration_ms: data.durationMs,
    bytes_in: data.bytesIn,
    bytes_out: data.bytesOut,
    edge: data.edge,
    source_ip: data.sourceIp,
  };
}
