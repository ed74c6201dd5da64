import { hasLabels, isFoundBy, parseLabels } from '@postern/cli';
import type { Api } from '@postern/client';
import { failure } from '@postern/core';

/** A Kubernetes cluster that the signed-in user may see. */
export type Cluster = Awaited<ReturnType<Api['inventory']['clusters']>>[number];

const ClusterNotFound = failure(
  'not_found',
  'tsh.cluster_not_found',
  (name: string) =>
    `kubernetes cluster ${JSON.stringify(name)} not found, check 'tsh kube ls' for a list of known clusters`,
);

export const NoClusters = failure(
  'not_found',
  'tsh.no_clusters',
  () => "no kubernetes clusters found, check 'tsh kube ls' for a list of known clusters",
);

const AmbiguousCluster = failure(
  'invalid_argument',
  'tsh.ambiguous_cluster',
  (name: string, candidates: readonly string[]) =>
    `${JSON.stringify(name)} stands for several clusters: ${candidates.join(', ')}; give the full name`,
);

const UnsafeClusterName = failure(
  'internal',
  'tsh.unsafe_cluster_name',
  () => 'the proxy named a cluster with control characters: it was left out of the kubeconfig',
);

/** What narrows the list down. */
export interface ClusterFilter {
  readonly labels?: string | undefined;
  readonly search?: readonly string[] | undefined;
}

const discoveredName = 'teleport.internal/discovered-name';

/** The clusters that match, by name. */
export function matching(clusters: readonly Cluster[], { labels, search }: ClusterFilter): Cluster[] {
  const wanted = labels === undefined ? {} : parseLabels(labels);
  return clusters
    .filter(
      (cluster) => hasLabels(cluster.labels, wanted) && isFoundBy(search ?? [], cluster.name, cluster.labels),
    )
    .toSorted((a, b) => a.name.localeCompare(b.name));
}

/** The cluster of this name, or the only one that was discovered under it. */
export function clusterNamed(clusters: readonly Cluster[], name: string): Cluster {
  const exact = clusters.find((cluster) => cluster.name === name);
  if (exact) return exact;
  const [first, ...others] = clusters.filter((cluster) => cluster.labels[discoveredName] === name);
  if (!first) throw ClusterNotFound(name);
  if (others.length > 0)
    throw AmbiguousCluster(
      name,
      [first, ...others].map((cluster) => cluster.name),
    );
  return first;
}

/** Names come from the proxy and go into files that other programs read. */
export function checkName(name: string): string {
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(name) || !name.isWellFormed() || name === '' || name.length > 512)
    throw UnsafeClusterName();
  return name;
}
