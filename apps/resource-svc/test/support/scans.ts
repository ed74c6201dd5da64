import { systemClock } from '@postern/core';
import {
  agentSubjects,
  type DiscoveryChange,
  type DiscoveryChangesReply,
  type DiscoveryOutcome,
  type KnownClustersPage,
  type WorkDelivery,
} from '@postern/contracts';
import { newKeyText, sealerFrom } from '@postern/identity';
import { findResource } from '../../src/resources/resource-table.ts';
import { serveDiscovery } from '../../src/discovery/serve-discovery.ts';
import type { WorkWorld } from './work-world.ts';

/** A scan that a member holds, made without a queue. */
export interface ScanSpec {
  readonly group: string;
  /** Which slot: a number of minutes. */
  readonly slot?: number;
  readonly account?: string;
  readonly region?: string;
  readonly key?: string;
  readonly attempt?: number;
  readonly agentId?: string;
  readonly task?: string;
}

/** The answers to members about clusters, asked without a member's own code. */
export interface Scans extends AsyncDisposable {
  /** Gives a scan to a member, as the broker does. */
  hold(spec: ScanSpec): Promise<WorkDelivery>;
  /** Takes it away again. */
  lose(delivery: WorkDelivery): Promise<void>;
  /** Ends it with what its member says that it saw. */
  end(delivery: WorkDelivery, result: unknown): Promise<void>;
  changes(
    delivery: WorkDelivery,
    changes: readonly DiscoveryChange[],
    agentId?: string,
  ): Promise<readonly DiscoveryOutcome[]>;
  known(delivery: WorkDelivery, after?: string): Promise<KnownClustersPage>;
  find(name: string): ReturnType<typeof findResource>;
  /** How many events there are of a cluster. */
  events(name: string): Promise<number>;
}

export const matcher = 'a'.repeat(16);
const minute = 60_000;

export function serveScans({ bus, store, telemetry }: WorkWorld): Scans {
  const sealer = sealerFrom(newKeyText());
  const resources = { store, sealer, clock: systemClock, self: 'spiffe://test/svc/resource' };
  const serving = serveDiscovery({ bus, resources, telemetry });
  return {
    async hold({ group, slot = 1, agentId = 'honest', attempt = 1, ...at }) {
      const { account = '111111111111', region = 'eu-west-1', key = matcher } = at;
      const task = at.task ?? `eks/${account}/${region}/${key}`;
      const when = new Date(Date.parse('2030-01-01T00:00:00Z') + slot * minute);
      const row = {
        group_name: group,
        slot: when,
        task,
        slot_ms: minute,
        offered_by: agentId,
        state: 'taken' as const,
      };
      const lease = { attempt, returned: 0, holder: agentId, lease_until: new Date(Date.now() + minute) };
      const none = { ack: null, ended_at: null, reason: null, result: null };
      await store.db
        .insertInto('work_task')
        .values({ ...row, ...lease, ...none })
        .onConflict((conflict) => conflict.columns(['group_name', 'slot', 'task']).doUpdateSet(lease))
        .execute();
      return { group, slot: when.getTime(), task, attempt };
    },
    async lose({ group, task, attempt }) {
      await store.db
        .updateTable('work_task')
        .set({ attempt: attempt + 1, holder: 'another' })
        .where('group_name', '=', group)
        .where('task', '=', task)
        .execute();
    },
    async end({ group, slot, task }, result) {
      await store.db
        .updateTable('work_task')
        .set({ state: 'done', ended_at: new Date(), lease_until: null, result: JSON.stringify(result) })
        .where('group_name', '=', group)
        .where('slot', '=', new Date(slot))
        .where('task', '=', task)
        .execute();
    },
    async changes(delivery, changes, agentId = 'honest') {
      const subject = agentSubjects.discoveryChanges(agentId);
      const reply = await bus.request(subject, { delivery, changes }, { timeoutMs: 30_000 });
      return (reply as unknown as DiscoveryChangesReply).outcomes;
    },
    async known(delivery, after = '') {
      const reply = await bus.request(agentSubjects.knownClusters('honest'), { delivery, after });
      return reply as unknown as KnownClustersPage;
    },
    find: (name) => findResource(store.db, { kind: 'kube_cluster', id: name }, systemClock()),
    events: async (name) => (await store.load(`kube_cluster/${name}`)).length,
    [Symbol.asyncDispose]: () => Promise.resolve(serving[Symbol.dispose]()),
  };
}

/** That a cluster was found. */
export function found(cluster: string, tags: Record<string, string> = {}): DiscoveryChange {
  return { type: 'found', cluster, tags: Object.entries(tags) };
}

/** That the cluster of a resource was not. */
export function vanished(name: string): DiscoveryChange {
  return { type: 'vanished', name };
}
