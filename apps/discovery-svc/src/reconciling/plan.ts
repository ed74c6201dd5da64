import {
  discoveredCluster,
  discoveryLabels,
  type FoundCluster,
  kubeClusterKind,
  matcherKeysOf,
  originLabel,
  type PublicResource,
} from '@postern/contracts';
import { canonicalJson, type Json } from '@postern/core';

/** What a scan says about its source. */
export interface Sighting {
  /** Whether everything was seen: only then has vanished what was not. */
  readonly isComplete: boolean;
  readonly found: readonly FoundCluster[];
}

/** Whose scan it is, and of what. */
export interface SourceId {
  readonly group: string;
  readonly account: string;
  readonly region: string;
  readonly matcherKey: string;
}

/** What is to be told of a scan, and nothing else. */
export interface Plan {
  /** Clusters that are not known, or not as they are. */
  readonly found: readonly FoundCluster[];
  /** Names of resources whose clusters have vanished; to be told first, for another cluster may have come by the name. */
  readonly vanished: readonly string[];
  /** Clusters that want a name which another one of the scan has. */
  readonly collisions: readonly { readonly cluster: string; readonly name: string; readonly with: string }[];
}

/**
 * Compares what a group knows with what a scan saw. Only a complete scan takes anything away, and only what the same group found
 * in the same account and region by the same matcher. What was made by hand or by another group is not there for it.
 */
export function plan(
  known: readonly PublicResource[],
  { isComplete, found }: Sighting,
  source: SourceId,
): Plan {
  const own = new Map(
    known.filter((each) => isOf(each, source)).map((each) => [each.metadata.name, each] as const),
  );
  const { chosen, collisions } = byName(found, own, source);
  const mayTakeAway = isComplete && source.group !== '';
  const changed = [...chosen].filter(([name, cluster]) => {
    const before = own.get(name);
    if (!before) return true;
    if (clusterOf(before) !== cluster.name) return mayTakeAway;
    return !isSame(before, resourceOf(cluster, before, source));
  });
  const vanished = [...own.values()].filter(
    (each) =>
      chosen.get(each.metadata.name)?.name !== clusterOf(each) &&
      matcherKeysOf(each).includes(source.matcherKey),
  );
  return {
    found: changed.map(([, cluster]) => cluster),
    vanished: mayTakeAway ? vanished.map(({ metadata: { name } }) => name).toSorted() : [],
    collisions,
  };
}

/** The name that EKS knows the cluster of a resource by. */
export function clusterOf({ metadata: { labels } }: PublicResource): string | undefined {
  return labels?.[discoveryLabels.name];
}

/** Whether discovery made a resource, of this group, account and region. */
function isOf(
  { kind, metadata: { labels }, spec }: PublicResource,
  { group, account, region }: SourceId,
): boolean {
  const aws = spec['aws'] as { readonly account_id?: string; readonly region?: string } | undefined;
  return (
    kind === kubeClusterKind.kind &&
    labels?.[originLabel] === 'cloud' &&
    labels[discoveryLabels.group] === group &&
    aws?.account_id === account &&
    aws.region === region
  );
}

/** Of two clusters with one name the one that has it keeps it, and otherwise the first by its name in EKS. */
function byName(
  found: readonly FoundCluster[],
  own: ReadonlyMap<string, PublicResource>,
  source: SourceId,
): { readonly chosen: ReadonlyMap<string, FoundCluster>; readonly collisions: Plan['collisions'] } {
  const chosen = new Map<string, FoundCluster>();
  const collisions: Plan['collisions'][number][] = [];
  const inOrder = found.toSorted(
    (a, b) => rank(a, own, source) - rank(b, own, source) || (a.name < b.name ? -1 : 1),
  );
  for (const cluster of inOrder) {
    const { name } = resourceOf(cluster, undefined, source).metadata;
    const holder = chosen.get(name);
    if (!holder) chosen.set(name, cluster);
    else collisions.push({ cluster: cluster.name, name, with: holder.name });
  }
  return { chosen, collisions };
}

function rank(cluster: FoundCluster, own: ReadonlyMap<string, PublicResource>, source: SourceId): number {
  const holder = own.get(resourceOf(cluster, undefined, source).metadata.name);
  return holder && clusterOf(holder) === cluster.name ? 0 : 1;
}

/** The resource as it is to be; other matchers that found it have still found it. */
function resourceOf(
  cluster: FoundCluster,
  before: PublicResource | undefined,
  { group, matcherKey }: SourceId,
): PublicResource {
  const keys = before ? matcherKeysOf(before) : [];
  return discoveredCluster(cluster, { group, matcherKeys: [...keys, matcherKey] });
}

function isSame(a: PublicResource, b: PublicResource): boolean {
  const text = ({ metadata: { name, description, labels }, spec }: PublicResource) =>
    canonicalJson({ name, description, labels, spec } as unknown as Json);
  return text(a) === text(b);
}
