import { eventStreamTarget, type Bus } from '@postern/bus';
import { type PublicResource, ResourceUpserted, type Selector } from '@postern/contracts';
import { uuidv7 } from '@postern/core';
import type { AppendItem } from '@postern/event-store';
import type { ResourceEventStore } from '@postern/resource-svc';
import type { Revision } from './deliveries.ts';

const batchSize = 500;

/** Clusters whose labels spread them evenly over teams, one selector for each team. */
export class PlantedClusters {
  readonly count: number;
  readonly teams: number;
  readonly #store: ResourceEventStore;
  readonly #versions: Int32Array;

  constructor(
    store: ResourceEventStore,
    { clusters, selectors }: { readonly clusters: number; readonly selectors: number },
  ) {
    this.count = clusters;
    this.teams = selectors;
    this.#store = store;
    this.#versions = new Int32Array(clusters);
  }

  /** Records them all, events and rows together, as resource-svc does one by one. */
  async plant(): Promise<void> {
    for (let from = 0; from < this.count; from += batchSize) {
      const made = Array.from({ length: Math.min(batchSize, this.count - from) }, (_, at) =>
        this.#next(from + at),
      );
      const rows = made.map(({ id, doc, version }) => ({
        kind: 'kube_cluster',
        id,
        version,
        doc: JSON.stringify(doc),
        secrets: '{}',
      }));
      await this.#store.append(made.map(itemOf), {
        also: (trx) => trx.insertInto('resource').values(rows).execute(),
      });
    }
  }

  /** Changes one cluster; its readers know the change by what `nextOf` said before. */
  async change(index: number): Promise<void> {
    const made = this.#next(index);
    const { id, version } = made;
    const columns = { version, doc: JSON.stringify(made.doc) };
    await this.#store.append([itemOf(made)], {
      also: (trx) =>
        trx
          .updateTable('resource')
          .set(columns)
          .where('kind', '=', 'kube_cluster')
          .where('id', '=', id)
          .execute(),
    });
  }

  nextOf(index: number): Revision {
    return { id: idOf(index), rev: this.#versions[index]! + 1 };
  }

  teamOf(index: number): number {
    return index % this.teams;
  }

  /** Two labels, as an agent's usual matcher has, one of them a pattern. */
  selectorOf(team: number): Selector {
    return { kinds: ['kube_cluster'], any: [{ labels: { team: [`team-${team}`], region: ['eu-*'] } }] };
  }

  #next(index: number): Made {
    const version = (this.#versions[index] = this.#versions[index]! + 1);
    const id = idOf(index);
    const labels = {
      team: `team-${this.teamOf(index)}`,
      region: `eu-${index % 7}`,
      env: ['prod', 'stage', 'test', 'dev'][index % 4]!,
      build: String(version),
    };
    return {
      id,
      version,
      doc: { kind: 'kube_cluster', version: 'v3', metadata: { name: id, labels }, spec: {} },
    };
  }
}

/** Tells the relay, which is in another process, that something was recorded: replicas do the same. */
export function wakeOnCommit(store: ResourceEventStore, bus: Bus): void {
  const target = eventStreamTarget(bus, 'resource');
  store.onCommit(() => target.wake());
}

interface Made {
  readonly id: string;
  readonly version: number;
  readonly doc: PublicResource;
}

function itemOf({ id, version, doc }: Made): AppendItem {
  const event = ResourceUpserted({
    kind: 'kube_cluster',
    id,
    created: version === 1,
    resource: doc,
    secrets: {},
  });
  return {
    stream: `kube_cluster/${id}`,
    version,
    id: uuidv7(),
    event: event as unknown as AppendItem['event'],
  };
}

function idOf(index: number): string {
  return `cluster-${String(index).padStart(6, '0')}`;
}
