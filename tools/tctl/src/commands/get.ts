import {
  type CliContext,
  command,
  formatOf,
  jsonText,
  on,
  required,
  tableText,
  textOr,
  yamlText,
} from '@postern/cli';
import type { Api, ResourceDocument } from '@postern/client';
import { failure } from '@postern/core';
import { orNotFound } from '../resources/not-found.ts';
import { parseReferences, type Reference } from '../resources/reference.ts';
import { resourceTable } from '../resources/resource-table.ts';

const MixedKinds = failure(
  'invalid_argument',
  'tctl.mixed_kinds',
  () => 'mixed resource types only support YAML formatting',
);

export const get = command({
  name: 'get',
  summary: 'Print resources',
  args: { refs: required('type, type/name, several separated by commas, or all') },
  flags: {
    format: textOr('yaml', '--format <format>', 'yaml, json or text'),
    withSecrets: on('--with-secrets', 'Include secret fields'),
    verbose: on('-v, --verbose', 'Do not shorten text output'),
  },
  async run(context, { args, flags }) {
    const format = formatOf(flags.format, ['yaml', 'json', 'text']);
    const references = await referencesOf(args.refs);
    const kinds = new Set(references.map(({ kind }) => kind));
    if (kinds.size > 1 && format !== 'yaml') throw MixedKinds();
    const api = await context.api();
    // An export of everything is for putting it back, which needs the secrets.
    const withSecrets = flags.withSecrets || args.refs === 'all';
    const resources: ResourceDocument[] = [];
    for (const reference of references) resources.push(...(await read(api, reference, withSecrets)));
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
  if (refs !== 'all') return parseReferences(refs);
  const { kinds } = await import('@postern/contracts');
  return kinds.map(({ kind }) => ({ kind }));
}

async function read(api: Api, { kind, name }: Reference, withSecrets: boolean): Promise<ResourceDocument[]> {
  if (name !== undefined)
    return [await orNotFound({ kind, name }, api.resources.get(kind, name, { withSecrets }))];
  return api.resources.list(kind, { withSecrets });
}

async function print({ terminal }: CliContext, { format, kind, resources, verbose }: Output): Promise<void> {
  // Always a list in JSON, also for one resource: scripts read `.[0]`.
  if (format === 'json') terminal.write(jsonText(resources));
  else if (format === 'yaml') terminal.write(await yamlText(resources));
  else terminal.print(tableText(resourceTable(kind, resources, verbose), { width: terminal.width }));
}
