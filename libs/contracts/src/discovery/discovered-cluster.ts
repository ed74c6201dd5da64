import { canonicalJson, sha256Hex } from '@postern/core';
import { isLabelKey } from '../kinds/define-kind.ts';
import { isReservedLabel, originLabel } from '../kinds/labels.ts';
import type { PublicResource } from '../resource/resource-events.ts';
import type { LabelPatterns } from '../selector.ts';

/** A cluster of EKS as it was found. */
export interface FoundCluster {
  /** The name that EKS knows it by. */
  readonly name: string;
  readonly account: string;
  readonly region: string;
  readonly tags: ReadonlyMap<string, string>;
}

/** Labels that discovery alone writes, and reads again to know what is its own. */
export const discoveryLabels = {
  group: 'teleport.internal/discovery-group-name',
  name: 'teleport.internal/discovered-name',
  /** Keys of the matchers that a cluster was found by, sorted, with dots between them. */
  matchers: 'teleport.internal/discovery-matchers',
} as const;

/** Tags by which the owner of a cluster says what it is to be called here; the second one is the older. */
const nameTags = ['TeleportKubernetesName', 'teleport.dev/kubernetes-name'] as const;

// The bus and the store do not take this key from anybody.
const forbiddenKey = '__proto__';
const maxTags = 200;

/**
 * The labels of a cluster that matchers are compared with: its tags, and where it is. Whoever may tag a cluster in AWS writes the
 * tags, so that labels of the system are never taken from them; nor is what cannot be a label.
 */
export function labelsOfCluster({ account, region, tags }: FoundCluster): Record<string, string> {
  const own = [...tags].filter(([key, value]) => isOwnLabel(key) && isLabelValue(value));
  return {
    ...Object.fromEntries(own.toSorted(byKey).slice(0, maxTags)),
    'teleport.dev/cloud': 'AWS',
    region,
    'account-id': account,
  };
}

/** Who found it, by what. */
export interface FoundBy {
  readonly group: string;
  readonly matcherKeys: readonly string[];
}

/** The resource of a cluster that was found. The same finding is the same resource, whoever writes it. */
export function discoveredCluster(cluster: FoundCluster, { group, matcherKeys }: FoundBy): PublicResource {
  const { name, account, region } = cluster;
  return {
    kind: 'kube_cluster',
    version: 'v3',
    metadata: {
      name: nameOfCluster(cluster),
      description: `AWS EKS cluster "${name}" in ${region}`,
      labels: {
        ...labelsOfCluster(cluster),
        [originLabel]: 'cloud',
        [discoveryLabels.group]: group,
        [discoveryLabels.name]: name,
        [discoveryLabels.matchers]: [...new Set(matcherKeys)].toSorted().join('.'),
      },
    },
    spec: { aws: { region, account_id: account, name } },
  };
}

/**
 * What a cluster is called: what its owner says by a tag, or its name in EKS with whatever of `-eks-<region>-<account>` is not part of
 * it yet. It follows from the finding alone, so that it does not change with what else there is.
 */
export function nameOfCluster({ name, account, region, tags }: FoundCluster): string {
  const wish = nameTags.map((tag) => tags.get(tag)).find((value) => value !== undefined);
  if (wish !== undefined && isClusterName(wish)) return wish;
  const missing = ['eks', region, account].filter((part) => !name.toLowerCase().includes(part));
  return [name, ...missing].join('-').replace(/-{2,}/g, '-').replace(/^-|-$/g, '');
}

/** A matcher as what it selects by, in few letters. How the account is reached is not among it: another role finds the same. */
export function matcherKeyOf(tags: LabelPatterns): string {
  const sorted = Object.entries(tags).map(([key, patterns]) => [key, patterns.toSorted()] as const);
  return sha256Hex(canonicalJson(Object.fromEntries(sorted))).slice(0, 16);
}

/** The keys of the matchers that a resource was found by. */
export function matcherKeysOf({ metadata: { labels } }: Pick<PublicResource, 'metadata'>): readonly string[] {
  return (labels?.[discoveryLabels.matchers] ?? '').split('.').filter((key) => key !== '');
}

function byKey([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return a < b ? -1 : 1;
}

function isClusterName(text: string): boolean {
  return /^[A-Za-z0-9._-]{1,253}$/.test(text) && !/^\.\.?$/.test(text);
}

function isOwnLabel(key: string): boolean {
  const isForNaming = (nameTags as readonly string[]).includes(key);
  return isLabelKey(key) && !isReservedLabel(key) && !isForNaming && key !== forbiddenKey;
}

function isLabelValue(value: string): boolean {
  return value.length <= 1024 && !/\p{Cc}/u.test(value) && value.isWellFormed();
}
