import { defineKind, type Resource, type ResourceDocument } from './define-kind.ts';
import { Fields, InvalidResource } from './fields.ts';
import { checkLabels } from './labels.ts';

/** What the members of a discovery group look for. */
export interface DiscoveryConfigSpec {
  readonly discovery_group: string;
  readonly aws: readonly Readonly<Record<string, unknown>>[];
  readonly azure: readonly Readonly<Record<string, unknown>>[];
  readonly gcp: readonly Readonly<Record<string, unknown>>[];
  readonly kube: readonly Readonly<Record<string, unknown>>[];
}

/** Matchers that every member of a discovery group adds to those of its own configuration. */
export const discoveryConfigKind = defineKind<DiscoveryConfigSpec>({
  kind: 'discovery_config',
  plural: 'discovery_configs',
  versions: ['v1'],
  defaultVersion: 'v1',
  normalize: normalizeDiscoveryConfig,
});

function normalizeDiscoveryConfig(doc: ResourceDocument): Resource<DiscoveryConfigSpec> {
  const spec = new Fields(doc.spec, 'spec');
  const group = spec.string('discovery_group');
  if (!group) throw InvalidResource('discovery config must have a discovery group: set spec.discovery_group');
  if (!/^[\p{L}\p{N} ._@/:-]{1,253}$/u.test(group))
    throw InvalidResource('spec.discovery_group holds characters that are not allowed');
  const [aws, azure, gcp, kube] = (['aws', 'azure', 'gcp', 'kube'] as const).map((name) =>
    readMatchers(spec, name),
  );
  spec.ignore('access_graph');
  spec.end();
  checkLabels(doc.metadata.labels ?? {});
  return { ...doc, spec: { discovery_group: group, aws: aws!, azure: azure!, gcp: gcp!, kube: kube! } };
}

// The provider that scans by a matcher validates the rest of it, with its own messages.
function readMatchers(spec: Fields, name: string): Record<string, unknown>[] {
  return spec.mappings(name).map((matcher) => {
    const types = matcher.strings('types') ?? [];
    if (types.length === 0) throw InvalidResource(`${matcher.at('types')} must name at least one type`);
    return Object.fromEntries(matcher.names().map((field) => [field, matcher.raw(field)]));
  });
}
