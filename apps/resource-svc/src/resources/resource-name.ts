import { derivedUuid, failure, sha256Hex } from '@postern/core';
import {
  hasSecretName,
  type Kind,
  kindNamed,
  kinds,
  maskedName,
  type Resource,
  type TokenSpec,
} from '@postern/contracts';

/** A kind that does not exist. */
const UnknownKind = failure(
  'invalid_argument',
  'resource.unknown_kind',
  (kind: string) =>
    `resources of type ${JSON.stringify(kind.slice(0, 60))} are not supported; supported: ${kinds.map((each) => each.kind).join(', ')}`,
);

/** What a resource is called: its kind, and its id within the kind. */
export interface ResourceRef {
  readonly kind: string;
  /** The name, or the SHA-256 of the name where the name may be a secret. */
  readonly id: string;
}

/** The kind with exactly this canonical name. */
export function kindOf(name: string): Kind {
  const kind = kindNamed(name);
  if (!kind || kind.kind !== name) throw UnknownKind(name);
  return kind;
}

export function idOf(kind: Kind, name: string): string {
  return kind.secretName ? sha256Hex(name) : name;
}

export function streamOf({ kind, id }: ResourceRef): string {
  return `${kind}/${id}`;
}

/** Opaque to everyone else: a different one for each version of each stream, the same again after a rebuild. */
export function revisionOf(ref: ResourceRef, version: number): string {
  return derivedUuid('revision', streamOf(ref), String(version));
}

/** Whether this resource's name must not be seen: only tokens of the method that proves nothing else. */
export function isNameSecret(kind: Kind, resource: Resource<unknown>): boolean {
  return kind.secretName && hasSecretName(resource.spec as TokenSpec);
}

/** The name as it may stand in messages, events and lists. */
export function publicName(kind: Kind, resource: Resource<unknown>): string {
  const { name } = resource.metadata;
  return isNameSecret(kind, resource) ? maskedName(name) : name;
}
