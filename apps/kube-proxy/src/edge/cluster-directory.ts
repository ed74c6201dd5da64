import type { AccessCluster } from '@postern/access';
import { isReservedLabel, originLabel, type ServedCluster, type ViewEntry } from '@postern/contracts';

/** Where clusters are known from: the registered resources, and what agents report. */
export interface ClusterSources {
  registered(name: string): ViewEntry | undefined;
  /** Reports about the cluster, of this process's own agent and others. */
  served(name: string): readonly ServedCluster[];
}

/**
 * A cluster as access to it is decided. A registered cluster has its resource's labels, and beside them those that agents
 * add; agents cannot replace a label, nor take over a registered name with a cluster of their own. A cluster that is not
 * registered exists while an agent serves it from its own configuration.
 */
export function clusterNamed(name: string, sources: ClusterSources): AccessCluster | undefined {
  const resource = sources.registered(name)?.resource;
  const served = sources.served(name);
  if (resource) {
    const added = labelsOf(served.filter(({ origin }) => origin === 'dynamic'));
    return { name, labels: { ...added, ...resource.metadata.labels } };
  }
  const local = served.filter(({ origin }) => origin === 'config-file');
  return local.length === 0
    ? undefined
    : { name, labels: { ...labelsOf(local), [originLabel]: 'config-file' } };
}

/** Labels on which all agents agree: one agent alone must not open a cluster that others serve. */
function labelsOf([first, ...others]: readonly ServedCluster[]): Record<string, string> {
  const agreed = Object.entries(first?.labels ?? {}).filter(
    ([key, value]) => !isReservedLabel(key) && others.every(({ labels }) => labels[key] === value),
  );
  return Object.fromEntries(agreed);
}
