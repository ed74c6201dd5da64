import { failure } from '@postern/core';
import { type AccessCluster, visibleLabels } from '@postern/access';
import type { ServedCluster, ViewEntry } from '@postern/contracts';

export const ClusterNotFound = failure(
  'not_found',
  'kube.cluster_not_found',
  (name: string) => `Kubernetes cluster ${JSON.stringify(name)} not found`,
);

export const TeleportClusterNotFound = failure(
  'not_found',
  'kube.teleport_cluster_not_found',
  (name: string) => `cluster ${JSON.stringify(name)} is not found`,
);

/** Where clusters are known from: the registered resources, and what agents report. */
export interface ClusterSources {
  registered(name: string): ViewEntry | undefined;
  /** Reports about the cluster, of this process's own agent and others. */
  served(name: string): readonly ServedCluster[];
}

/** A cluster as access to it is decided, by the same rule as wherever clusters are listed. */
export function clusterNamed(name: string, sources: ClusterSources): AccessCluster | undefined {
  const resource = sources.registered(name)?.resource;
  const labels = visibleLabels(resource && (resource.metadata.labels ?? {}), sources.served(name));
  return labels && { name, labels };
}
