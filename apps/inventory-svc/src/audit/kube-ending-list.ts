import { KubeSessionEnded, KubeStreamEnded } from '@postern/contracts';
import { insertRows, onManyOf, projection } from '@postern/projections';
import type { InventoryDb } from '../database.ts';

/** How what was long-lived ended, for whoever looks at the request that began it. Written with the events. */
export const kubeEndingList = projection<InventoryDb>(
  'kube_ending_list',
  1,
  ['kube_ending'],
  onManyOf([KubeSessionEnded, KubeStreamEnded], (db, endings) =>
    insertRows(
      db,
      'kube_ending',
      endings.map(({ data, event }) => ({
        event_id: event.id,
        request_id: data.requestId,
        edge: data.edge,
        at: new Date(event.meta.occurredAt ?? event.at),
        ended_by: data.endedBy,
        reason: data.reason,
        duration_ms: data.durationMs,
        bytes_in: data.bytesIn,
        bytes_out: data.bytesOut,
      })),
    ),
  ),
);
