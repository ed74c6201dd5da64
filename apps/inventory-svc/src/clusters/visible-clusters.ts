import { isAbout, type Labels, visibleLabels } from '@postern/access';
import {
  type ClusterCondition,
  type ServedCluster,
  type ServedClusterView,
  unknownCondition,
} from '@postern/contracts';
import type { OnlineReport } from './served-reports.ts';

/** The labels of a registered cluster, or undefined when no cluster of that name is registered. */
export type RegisteredLabels = (name: string) => Labels | undefined;

interface Serving {
  readonly agent: OnlineReport;
  readonly cluster: ServedCluster;
}

/**
 * What is served, merged by name, as far as agents are to be believed. A registered cluster has its resource's labels;
 * agents may add to them and not replace them, nor take over a registered name with a cluster of their own configuration.
 * Of a resource that is gone nothing is shown, whoever still serves it.
 */
export function servedClusters(
  reports: readonly OnlineReport[],
  registered: RegisteredLabels,
): ServedClusterView[] {
  const all = reports.flatMap((agent) => agent.clusters.map((cluster): Serving => ({ agent, cluster })));
  const byName = Map.groupBy(all, ({ cluster }) => cluster.name);
  return [...byName]
    .flatMap(([name, serving]) => viewOf(name, serving, registered(name)) ?? [])
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function viewOf(
  name: string,
  all: readonly Serving[],
  registered: Labels | undefined,
): ServedClusterView | undefined {
  const serving = all.filter(({ cluster }) => isAbout(cluster, registered !== undefined));
  const labels = visibleLabels(
    registered,
    serving.map(({ cluster }) => cluster),
  );
  if (serving.length === 0 || !labels) return undefined;
  const online = serving.find(({ cluster }) => cluster.health === 'online');
  return {
    name,
    labels,
    health: online ? 'online' : 'offline',
    condition: bestOf(serving.map(({ cluster }) => cluster)),
    kubeVersion: (online ?? serving[0]!).cluster.kubeVersion,
    agents: serving.map(({ agent: { agentId, hostname, version } }) => ({ agentId, hostname, version })),
  };
}

const byGoodness: readonly ClusterCondition['state'][] = ['healthy', 'unknown', 'unhealthy'];

/** A cluster is as well as it is at the agent where it is best: that is where requests go. */
function bestOf(serving: readonly ServedCluster[]): ClusterCondition {
  const conditions = serving.map(({ condition = unknownCondition }) => condition);
  const rank = ({ state }: ClusterCondition) => byGoodness.indexOf(state);
  return conditions.toSorted((a, b) => rank(a) - rank(b))[0] ?? unknownCondition;
}
