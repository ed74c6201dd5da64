import { Fields } from '@postern/contracts';
import { readAwsMatcher } from './aws-matcher.ts';
import {
  ignore,
  InvalidTeleportYaml,
  readDurationField,
  readEnabled,
  readPatterns,
  type Reading,
  textsOf,
} from './section.ts';
import type { DiscoverySection, KubernetesAppMatcher } from './teleport-config.ts';

const minPollMs = 1_000;

/** Reads `discovery_service:`. */
export function readDiscoverySection(fields: Fields, reading: Reading): DiscoverySection {
  const aws = fields.mappings('aws').map((item) => readAwsMatcher(rawOf(item), item.path));
  const section = {
    enabled: readEnabled(fields, false),
    discoveryGroup: fields.string('discovery_group') ?? '',
    pollIntervalMs: readDurationField(fields, 'poll_interval', '5m', minPollMs),
    aws,
    kubernetes: fields.mappings('kubernetes').map((item) => readKubernetesAppMatcher(rawOf(item), item.path)),
  };
  const others = (fields.list('azure') ?? []).length + (fields.list('gcp') ?? []).length;
  ignore(reading, fields, 'azure', 'gcp', 'access_graph');
  fields.end();
  if (section.enabled) checkGroup(section, others);
  noteForeignTypes(section, reading);
  return section;
}

function checkGroup({ discoveryGroup, aws, kubernetes }: DiscoverySection, others: number): void {
  if (discoveryGroup !== '') return;
  if (kubernetes.length > 0) {
    throw InvalidTeleportYaml(
      'discovery_service.discovery_group (DiscoveryGroup) is required with kubernetes matchers',
    );
  }
  if (aws.length + others === 0) {
    throw InvalidTeleportYaml('no matchers or discovery group configured for discovery');
  }
}

function noteForeignTypes({ enabled, aws, discoveryGroup }: DiscoverySection, { notices }: Reading): void {
  if (!enabled) return;
  const foreign = new Set(aws.flatMap(({ types }) => types).filter((type) => type !== 'eks'));
  if (foreign.size > 0)
    notices.push(`discovery_service.aws: only eks is discovered, not ${[...foreign].join(', ')}`);
  if (discoveryGroup === '') {
    notices.push(
      'discovery_service.discovery_group is empty: discovery_config resources do not reach this process',
    );
  }
}

/** Reads one item of `kubernetes`, from a file or a discovery_config. */
export function readKubernetesAppMatcher(source: unknown, path: string): KubernetesAppMatcher {
  const fields = new Fields(source, path);
  const types = textsOf(fields, 'types');
  const bad = types.find((type) => type !== 'app');
  if (bad !== undefined) throw InvalidTeleportYaml(`${fields.at('types')}: only "app" is possible`);
  const labels = readPatterns(fields, 'labels');
  const namespaces = textsOf(fields, 'namespaces');
  fields.end();
  return {
    types: types.length === 0 ? ['app'] : types,
    namespaces: namespaces.length === 0 ? ['*'] : namespaces,
    labels: Object.keys(labels).length === 0 ? { '*': ['*'] } : labels,
  };
}

function rawOf(fields: Fields): Record<string, unknown> {
  return Object.fromEntries(fields.names().map((name) => [name, fields.raw(name)]));
}
