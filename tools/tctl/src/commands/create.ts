import { type CliContext, command, on, optional, readInput } from '@postern/cli';
import type { Api, ResourceDocument } from '@postern/client';
import { AppError, failure, isPlainObject } from '@postern/core';
import { resourceWords } from '../resources/kind-words.ts';

const KindNotCreatable = failure(
  'invalid_argument',
  'tctl.kind_not_creatable',
  (kind: string, known: readonly string[]) =>
    `creating resources of type ${JSON.stringify(kind)} is not supported; supported: ${known.join(', ')}`,
);

const AlreadyExists = failure(
  'already_exists',
  'tctl.already_exists',
  (words: string) => `${words} already exists, use -f or --force flag to overwrite`,
);

const MissingName = failure(
  'invalid_argument',
  'tctl.missing_name',
  (kind: string) => `a ${kind} has no metadata.name`,
);

export const create = command({
  name: 'create',
  summary: 'Create resources from a YAML or JSON file, or from standard input',
  args: { file: optional('File with one or more documents') },
  flags: { force: on('-f, --force', 'Overwrite resources that exist') },
  async run(context, { args, flags }) {
    const documents = await documentsOf(context, args.file);
    const api = await context.api();
    for (const document of documents) {
      context.terminal.print(await store(api, document, flags.force));
      for (const warning of await warningsAbout(document)) context.terminal.note(`warning: ${warning}`);
    }
  },
});

/** Every document is looked at before the first one is sent: a typing error in the last leaves nothing half done. */
async function documentsOf(context: CliContext, file: string | undefined): Promise<ResourceDocument[]> {
  const { kindNamed, kinds, readDocuments } = await import('@postern/contracts');
  return readDocuments(await readInput(context, file)).map((value) => {
    const document = isPlainObject(value) ? value : {};
    const word = typeof document['kind'] === 'string' ? document['kind'] : '';
    const kind = kindNamed(word)?.kind;
    if (kind === undefined)
      throw KindNotCreatable(
        word,
        kinds.map((each) => each.kind),
      );
    const metadata = isPlainObject(document['metadata']) ? document['metadata'] : {};
    if (typeof metadata['name'] !== 'string' || metadata['name'] === '') throw MissingName(kind);
    return { ...document, kind } as unknown as ResourceDocument;
  });
}

async function warningsAbout(document: ResourceDocument): Promise<string[]> {
  const { kindNamed } = await import('@postern/contracts');
  return kindNamed(document.kind)?.warnings(document, { now: new Date() }) ?? [];
}

async function store(api: Api, document: ResourceDocument, force: boolean): Promise<string> {
  const words = resourceWords(document.kind, document.metadata.name);
  try {
    const { created } = await (force ? api.resources.put(document) : api.resources.create(document));
    return `${words} has been ${created ? 'created' : 'updated'}`;
  } catch (error) {
    if (error instanceof AppError && error.kind === 'already_exists') throw AlreadyExists.from(error, words);
    throw error;
  }
}
