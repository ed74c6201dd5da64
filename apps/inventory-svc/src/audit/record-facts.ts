import type { StoredEvent } from '@postern/contracts';
import { type AppendItem, Conflict, type EventStore } from '@postern/event-store';
import { spiffeId } from '@postern/identity';
import { applyInline } from '@postern/projections';
import type { Transaction } from 'kysely';
import type { InventoryDb } from '../database.ts';
import { kubeEndingList } from './kube-ending-list.ts';
import { kubeRequestList } from './kube-request-list.ts';
import type { Fact } from './read-fact.ts';

interface RecordDeps {
  readonly store: EventStore<InventoryDb>;
  readonly clusterName: string;
}

/** A stream of its own for each fact: nobody decides about it, so it must not wait for, or conflict with, another. */
const streams: Readonly<Record<string, string>> = {
  KubeRequestAudited: 'kube_request',
  KubeSessionStarted: 'kube_session_started',
  KubeSessionEnded: 'kube_session_ended',
  KubeStreamEnded: 'kube_stream_ended',
  ClusterServed: 'cluster_served',
};

/**
 * Records facts, each once however often it is delivered, and by however many streams and replicas at once. Answers how many
 * were new. In a batch that was recorded in part, by a delivery whose acknowledgement was lost, the rest is recorded.
 */
export async function recordFacts(
  { store, clusterName }: RecordDeps,
  facts: readonly Fact[],
): Promise<number> {
  const items = [
    ...new Map(facts.toSorted(inOneOrder).map((fact) => [fact.id, itemOf(fact, clusterName)])).values(),
  ];
  const also = async (trx: Transaction<InventoryDb>, events: readonly StoredEvent[]) => {
    for (const projection of [kubeRequestList, kubeEndingList]) await applyInline(projection, trx, events);
  };
  try {
    const { duplicate } = await store.append(items, { also });
    return duplicate ? 0 : items.length;
  } catch (error) {
    if (!Conflict.is(error)) throw error;
    const recorded = new Set((await store.find(items.map(({ id }) => id))).map(({ id }) => id));
    const rest = items.filter(({ id }) => !recorded.has(id));
    if (rest.length === items.length) throw error;
    await store.append(rest, { also });
    return rest.length;
  }
}

/** Whoever records the same facts at the same time does so in the same order: else each would wait for the other. */
function inOneOrder(a: Fact, b: Fact): number {
  return a.occurredAt.localeCompare(b.occurredAt) || a.id.localeCompare(b.id);
}

function itemOf(
  { id, agentId, agentType, event, occurredAt, traceparent }: Fact,
  clusterName: string,
): AppendItem {
  const actor = spiffeId({ type: agentType, id: agentId, clusterName });
  const meta = { actor, occurredAt, ...(traceparent === undefined ? {} : { traceparent }) };
  return { stream: `${streams[event.type]}/${id}`, version: 1, id, event, meta };
}
