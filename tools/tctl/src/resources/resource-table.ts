import { labelsText, type Table } from '@postern/cli';
import type { ResourceDocument } from '@postern/client';
import { healthText } from './kube-servers.ts';

type Columns = Readonly<Record<string, (resource: ResourceDocument, verbose: boolean) => string>>;

const name = (resource: ResourceDocument) => resource.metadata.name;
const labels = (resource: ResourceDocument, verbose: boolean) =>
  labelsText(resource.metadata.labels ?? {}, verbose);

/** The columns of `tctl get --format=text`, by kind. */
const columnsOf: Readonly<Record<string, Columns>> = {
  kube_cluster: { Cluster: name, Labels: labels },
  role: {
    Role: name,
    Version: ({ version }) => version,
    'Kubernetes Groups': (role) => allowed(role, 'kubernetes_groups'),
    'Kubernetes Users': (role) => allowed(role, 'kubernetes_users'),
  },
  user: { User: name, Roles: ({ spec }) => textsOf(spec['roles']) },
  kube_server: {
    Cluster: name,
    Hostname: ({ spec }) => textOf(spec['hostname']),
    Labels: labels,
    Version: ({ spec }) => textOf(spec['version']),
    Health: healthText,
  },
  lock: {
    ID: name,
    Target: ({ spec }) => pairsOf(spec['target']),
    Message: ({ spec }) => textOf(spec['message']),
    Expires: ({ spec }) => textOf(spec['expires']) || 'never',
  },
  token: { Token: name, Type: ({ spec }) => textsOf(spec['roles']), Labels: labels },
  discovery_config: { Name: name, 'Discovery Group': ({ spec }) => textsOf([spec['discovery_group'] ?? '']) },
};

const otherKinds: Columns = { Name: name, Labels: labels };

/** Resources of one kind as a table. */
export function resourceTable(kind: string, resources: readonly ResourceDocument[], verbose: boolean): Table {
  const columns = columnsOf[kind] ?? otherKinds;
  const rows = resources.map((resource) => Object.values(columns).map((cell) => cell(resource, verbose)));
  return {
    columns: Object.keys(columns),
    rows,
    ...('Labels' in columns && !verbose ? { elastic: 'Labels' } : {}),
  };
}

function allowed(role: ResourceDocument, field: string): string {
  const allow = role.spec['allow'];
  return typeof allow === 'object' && allow !== null
    ? textsOf((allow as Record<string, unknown>)[field])
    : '';
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function pairsOf(value: unknown): string {
  return Object.entries(value ?? {})
    .map(([key, text]) => `${key}=${String(text)}`)
    .join(' ');
}

function textsOf(value: unknown): string {
  return Array.isArray(value) ? value.map(String).join(',') : '';
}
