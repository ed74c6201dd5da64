import { isPlainObject } from '@postern/core';
import { InvalidResource } from '@postern/contracts';

/** Refuses text that Postgres cannot keep: NUL characters, and halves of surrogate pairs. */
export function requireStorable(value: unknown): void {
  if (typeof value === 'string' && !(value.isWellFormed() && !value.includes('\0'))) {
    throw InvalidResource('the document holds a text that is not valid Unicode, or a NUL character');
  }
  if (Array.isArray(value)) for (const item of value) requireStorable(item);
  if (!isPlainObject(value)) return;
  for (const [key, item] of Object.entries(value)) {
    requireStorable(key);
    requireStorable(item);
  }
}
