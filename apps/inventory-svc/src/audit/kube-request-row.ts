import { type DataOf, KubeRequestAudited, type StoredEvent } from '@postern/contracts';
import type { KubeRequestTable } from '../database.ts';

/** The row that a KubeRequestAudited event makes, now and at every rebuild. */
export function kubeRequestRow(event: StoredEvent): KubeRequestTable {
  const data: DataOf<typeof KubeRequestAudited> = KubeRequestAudited.read(event);
  return {
    event_id: event.id,
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
    status: data.status,
    edge: data.edge,
    source_ip: data.sourceIp,
  };
}
