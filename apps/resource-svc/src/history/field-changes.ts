import { type FieldChange, type PublicResource, secretMask } from '@postern/contracts';
import { canonicalJson, isPlainObject, type Json } from '@postern/core';
import { namePath } from '../resources/secrets.ts';

/** A resource as an event has it, or would have it: secrets are names of rows. */
export interface RecordedContent {
  readonly resource: PublicResource;
  readonly secrets: Readonly<Record<string, string>>;
}

/** Every field that differs, by name, since the order is not stored; fields that come or go with all that is in them are one change. */
export function fieldChanges(
  before: RecordedContent | undefined,
  after: RecordedContent | undefined,
): FieldChange[] {
  return [
    ...differences([], comparable(before), comparable(after)),
    ...secretChanges(before?.secrets ?? {}, after?.secrets ?? {}),
  ];
}

/** What can change; kind and name are what makes it the same resource. */
function comparable(content: RecordedContent | undefined): Record<string, unknown> {
  if (!content) return { version: undefined, metadata: {}, spec: {} };
  const { sub_kind, version, metadata, spec } = content.resource;
  const { name: _, ...others } = metadata;
  return { ...(sub_kind === undefined ? {} : { sub_kind }), version, metadata: others, spec };
}

function differences(path: readonly string[], before: unknown, after: unknown): FieldChange[] {
  if (isPlainObject(before) && isPlainObject(after)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...keys]
      .toSorted()
      .flatMap((key) => differences([...path, key], own(before, key), own(after, key)));
  }
  if (isEqual(before, after)) return [];
  return [
    {
      path: [...path],
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
    },
  ];
}

/** A name that is a secret cannot change: another name is another resource. */
function secretChanges(before: RecordedContent['secrets'], after: RecordedContent['secrets']): FieldChange[] {
  const paths = new Set([...Object.keys(before), ...Object.keys(after)]);
  paths.delete(namePath);
  return [...paths]
    .filter((path) => own(before, path) !== own(after, path))
    .map((path) => ({
      path: path.split('.'),
      ...(own(before, path) === undefined ? {} : { before: secretMask }),
      ...(own(after, path) === undefined ? {} : { after: secretMask }),
      isSecret: true,
    }));
}

function own(value: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

function isEqual(a: unknown, b: unknown): boolean {
  if (a === undefined || b === undefined) return a === b;
  return canonicalJson(a as Json) === canonicalJson(b as Json);
}
