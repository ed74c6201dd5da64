import { failure } from '@postern/core';

const InvalidReference = failure(
  'invalid_argument',
  'tctl.invalid_reference',
  (text: string) =>
    `invalid resource ${JSON.stringify(text)}: write it as type/name, for example kube_cluster/prod`,
);

const UnknownKind = failure(
  'invalid_argument',
  'tctl.unknown_kind',
  (text: string, known: readonly string[]) =>
    `unknown resource type ${JSON.stringify(text)}; known types: ${known.join(', ')}`,
);

/** One or all resources of a kind. `kind` is canonical. */
export interface Reference {
  readonly kind: string;
  readonly name?: string;
}

/** The name of what can be read like a resource and is none, by a word for it. */
export type OtherKind = (word: string) => string | undefined;

const noOther: OtherKind = () => undefined;

/** `roles`, `role/access`, `users,kube_clusters/prod`. Only the first slash separates: names may hold others. */
export async function parseReferences(text: string, other: OtherKind = noOther): Promise<Reference[]> {
  const parts = text.split(',').filter((part) => part.trim() !== '');
  if (parts.length === 0) throw InvalidReference(text);
  return Promise.all(parts.map((part) => parseReference(part.trim(), other)));
}

/** A reference that must name one resource. */
export async function parseNamed(text: string): Promise<Required<Reference>> {
  const { kind, name } = await parseReference(text, noOther);
  if (name === undefined) throw InvalidReference(text);
  return { kind, name };
}

async function parseReference(text: string, other: OtherKind): Promise<Reference> {
  const { kindNamed, kinds } = await import('@postern/contracts');
  const slash = text.indexOf('/');
  const word = slash < 0 ? text : text.slice(0, slash);
  const name = slash < 0 ? undefined : text.slice(slash + 1);
  const kind = kindNamed(word)?.kind ?? other(word);
  if (name === '') throw InvalidReference(text);
  if (kind === undefined)
    throw UnknownKind(
      word,
      kinds.map((each) => each.plural),
    );
  return { kind, ...(name === undefined ? {} : { name }) };
}
