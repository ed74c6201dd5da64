import { isAbout, type Labels, visibleLabels } from '@postern/access';
import type { ServedCluster, ServedClusterView } from '@postern/contracts';
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
    kubeVersion: (online ?? serving[0]!).cluster.kubeVersion,
    agents: serving.map(({ agent: { agentId, hostname, version } }) => ({ agentId, hostname, version })),
  };
}
