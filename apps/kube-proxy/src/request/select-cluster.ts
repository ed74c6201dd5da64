import { failure } from '@postern/core';
import type { Target } from './target.ts';

export const NoTeleportClusterInPath = failure(
  'invalid_argument',
  'kube.no_teleport_cluster_in_path',
  () => 'no Teleport cluster name found in path',
);

export const NoKubeClusterInPath = failure(
  'invalid_argument',
  'kube.no_kube_cluster_in_path',
  () => 'no Kubernetes cluster name found in path',
);

/** The cluster a path-routed request names, and the target that remains for the API server. */
export interface SelectedCluster {
  readonly teleportCluster: string;
  readonly kubeCluster: string;
  readonly target: Target;
}

export const routingPrefix = '/v1/teleport/';

/** Reads `/v1/teleport/<cluster>/<kube cluster>/<path>`, both names in unpadded base64 of either alphabet. */
export function selectCluster({ segments, slash, query }: Target): SelectedCluster {
  const teleportCluster = decodeName(segments[2]);
  if (teleportCluster === undefined) throw NoTeleportClusterInPath();
  const kubeCluster = decodeName(segments[3]);
  if (kubeCluster === undefined) throw NoKubeClusterInPath();
  const rest = segments.slice(4);
  return {
    teleportCluster,
    kubeCluster,
    target: { segments: rest, slash: slash || rest.length === 0, query },
  };
}

/** Names that were decoded before: the same few come with every request. */
const known = new Map<string, string>();
const maxKnown = 2000;

/** A name that is not exactly what was encoded, or is not a cluster's name, is no name: `c1%00` and `c1/../c2` end here. */
function decodeName(segment: string | undefined): string | undefined {
  if (segment === undefined) return undefined;
  const before = known.get(segment);
  if (before !== undefined) return before;
  if (!/^[A-Za-z0-9_+-]+$/.test(segment)) return undefined;
  const name = Buffer.from(segment, 'base64url').toString('latin1');
  if (!/^[A-Za-z0-9._-]{1,253}$/.test(name) || base64Of(name) !== segment.replaceAll('+', '-'))
    return undefined;
  if (known.size < maxKnown) known.set(segment, name);
  return name;
}

function base64Of(name: string): string {
  return Buffer.from(name, 'latin1').toString('base64url');
}
