import {
  type CliContext,
  command,
  formatOf,
  jsonText,
  on,
  required,
  tableText,
  text,
  textOr,
  yamlText,
} from '@postern/cli';
import type { Api, ResourceDocument, ResourceMoment } from '@postern/client';
import { failure } from '@postern/core';
import { momentOf } from '../history/moment.ts';
import { isKubeServerWord, kubeServerDocument, kubeServerKind } from '../resources/kube-servers.ts';
import { orNotFound, ResourceNotFound } from '../resources/not-found.ts';
import { parseReferences, type Reference } from '../resources/reference.ts';
import { resourceTable } from '../resources/resource-table.ts';

const MixedKinds = failure(
  'invalid_argument',
  'tctl.mixed_kinds',
  () => 'mixed resource types only support YAML formatting',
);

const OnlyOneAtATime = failure(
  'invalid_argument',
  'tctl.at_needs_name',
  () => '--at shows resources that are named: write type/name',
);

const NoPastSecrets = failure(
  'invalid_argument',
  'tctl.no_past_secrets',
  () => 'secrets of the past are not kept: leave out --with-secrets or --at',
);

export const get = command({
  name: 'get',
  summary: 'Print resources',
  args: { refs: required('type, type/name, several separated by commas, or all') },
  flags: {
    format: textOr('yaml', '--format <format>', 'yaml, json or text'),
    withSecrets: on('--with-secrets', 'Include secret fields'),
    at: text('--at <moment>', 'As it was: a revision, a time, a day, or how long ago'),
    verbose: on('-v, --verbose', 'Do not shorten text output'),
  },
  async run(context, { args, flags }) {
    const format = formatOf(flags.format, ['yaml', 'json', 'text']);
    const references = await referencesOf(args.refs);
    const kinds = new Set(references.map(({ kind }) => kind));
    if (kinds.size > 1 && format !== 'yaml') throw MixedKinds();
    const at = flags.at === undefined ? undefined : momentOf(flags.at, context.clock());
    if (at && references.some(({ name }) => name === undefined)) throw OnlyOneAtATime();
    if (at && flags.withSecrets) throw NoPastSecrets();
    const api = await context.api();
    // An export of everything is for putting it back, which needs the secrets.
    const withSecrets = flags.withSecrets || args.refs === 'all';
    const resources: ResourceDocument[] = [];
    for (const reference of references)
      resources.push(...(await read(api, reference, { withSecrets, ...(at ? { at } : {}) })));
    await print(context, { format, kind: references[0]!.kind, resources, verbose: flags.verbose });
  },
});

interface Output {
  readonly format: 'yaml' | 'json' | 'text';
  readonly kind: string;
  readonly resources: readonly ResourceDocument[];
  readonly verbose: boolean;
}

async function referencesOf(refs: string): Promise<Reference[]> {
  if (refs !== 'all')
    return parseReferences(refs, (word) => (isKubeServerWord(word) ? kubeServerKind : undefined));
  const { kinds } = await import('@postern/contracts');
  return kinds.map(({ kind }) => ({ kind }));
}

interface Reading {
  readonly withSecrets: boolean;
  readonly at?: ResourceMoment;
}

async function read(
  api: Api,
  { kind, name }: Reference,
  { withSecrets, at }: Reading,
): Promise<ResourceDocument[]> {
  if (kind === kubeServerKind) return readKubeServers(api, name);
  if (name === undefined) return api.resources.list(kind, { withSecrets });
  // The server says when there was one, which is more than that there is none now.
  if (at) return [await api.history.at(kind, name, at)];
  return [await orNotFound({ kind, name }, api.resources.get(kind, name, { withSecrets }))];
}

async function readKubeServers(api: Api, name: string | undefined): Promise<ResourceDocument[]> {
  const servers = await api.inventory.kubeServers();
  const named = servers.filter(({ cluster }) => name === undefined || cluster.name === name);
  if (name !== undefined && named.length === 0) throw ResourceNotFound(`${kubeServerKind} "${name}"`);
  return named.map(kubeServerDocument);
}

async function print({ terminal }: CliContext, { format, kind, resources, verbose }: Output): Promise<void> {
  // Always a list in JSON, also for one resource: scripts read `.[0]`.
  if (format === 'json') terminal.write(jsonText(resources));
  else if (format === 'yaml') terminal.write(await yamlText(resources));
  else terminal.print(tableText(resourceTable(kind, resources, verbose), { width: terminal.width }));
}
