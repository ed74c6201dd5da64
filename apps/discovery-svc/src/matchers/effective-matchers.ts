import {
  type AwsMatcher,
  type DiscoverySection,
  type KubernetesAppMatcher,
  readAwsMatcher,
  readKubernetesAppMatcher,
} from '@postern/config';
import { type DiscoveryConfigSpec, discoveryConfigKind, type PublicResource } from '@postern/contracts';
import { messageOf } from '@postern/core';

/** Something to look for, and who asked for it. */
export type EffectiveMatcher =
  | { readonly source: string; readonly provider: 'aws'; readonly matcher: AwsMatcher }
  | { readonly source: string; readonly provider: 'kubernetes'; readonly matcher: KubernetesAppMatcher };

/** A matcher that cannot be acted on, and why. */
export interface RefusedMatcher {
  readonly source: string;
  readonly reason: string;
}

export interface EffectiveMatchers {
  readonly matchers: readonly EffectiveMatcher[];
  readonly refused: readonly RefusedMatcher[];
}

/**
 * What this process looks for: the matchers of its own configuration, and those of every discovery_config of its group. A
 * resource that is wrong takes away its own matchers and nobody else's.
 */
export function effectiveMatchers(
  own: Pick<DiscoverySection, 'discoveryGroup' | 'aws' | 'kubernetes'>,
  resources: readonly PublicResource[],
  now: Date,
): EffectiveMatchers {
  const matchers: EffectiveMatcher[] = ownMatchers(own);
  const refused: RefusedMatcher[] = [];
  for (const resource of resources.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))) {
    const source = `discovery_config/${resource.metadata.name}`;
    try {
      matchers.push(
        ...groupMatchers(own.discoveryGroup, source, discoveryConfigKind.normalize(resource, { now }).spec),
      );
    } catch (error) {
      refused.push({ source, reason: messageOf(error) });
    }
  }
  return { matchers, refused };
}

function ownMatchers({ aws, kubernetes }: Pick<DiscoverySection, 'aws' | 'kubernetes'>): EffectiveMatcher[] {
  const source = 'discovery_service';
  return [
    ...aws.map((matcher) => ({ source, provider: 'aws' as const, matcher })),
    ...kubernetes.map((matcher) => ({ source, provider: 'kubernetes' as const, matcher })),
  ];
}

/** Without a group a process takes part in none: an empty name is not the name of a group. */
function groupMatchers(group: string, source: string, spec: DiscoveryConfigSpec): EffectiveMatcher[] {
  if (group === '' || spec.discovery_group !== group) return [];
  return [
    ...spec.aws.map((item, index) => ({
      source,
      provider: 'aws' as const,
      matcher: readAwsMatcher(item, `spec.aws[${index}]`),
    })),
    ...spec.kube.map((item, index) => ({
      source,
      provider: 'kubernetes' as const,
      matcher: readKubernetesAppMatcher(item, `spec.kube[${index}]`),
    })),
  ];
}
