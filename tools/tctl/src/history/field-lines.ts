import { oneLine } from '@postern/cli';
import type { FieldChange } from '@postern/client';
import { canonicalJson, isPlainObject, type Json } from '@postern/core';
import { listSteps } from './list-steps.ts';

/** What happened to a field, in lines that begin with `+`, `-` or `~`. */
export function fieldLines(change: FieldChange): string[] {
  const { path, isSecret } = change;
  if (!('before' in change)) return oneSided('+', path, change.after);
  if (!('after' in change)) return oneSided('-', path, change.before);
  const { before, after } = change;
  if (isSecret) return [`~ ${pathText(path)}: ${text(after)} (changed)`];
  if (Array.isArray(before) && Array.isArray(after)) {
    const steps = listSteps(before, after);
    return [`~ ${pathText(path)}`, ...steps.map(({ sign, item }) => `    ${sign} ${text(item)}`)];
  }
  return [`~ ${pathText(path)}: ${text(before)} → ${text(after)}`];
}

/** Everything in what came or went, each field on a line of its own. */
function oneSided(sign: '+' | '-', path: readonly string[], value: unknown): string[] {
  if (isPlainObject(value) && Object.keys(value).length > 0)
    return Object.entries(value).flatMap(([key, inner]) => oneSided(sign, [...path, key], inner));
  if (Array.isArray(value) && value.some((item) => typeof item === 'object'))
    return [`${sign} ${pathText(path)}`, ...value.map((item) => `    ${sign} ${text(item)}`)];
  return [`${sign} ${pathText(path)}: ${text(value)}`];
}

/** `spec.allow.rules`; names that hold more than a word are quoted: `metadata.labels["a.b/c"]`. */
function pathText(path: readonly string[]): string {
  return path
    .map((name, index) => {
      if (!/^[A-Za-z0-9_-]+$/.test(name)) return `[${JSON.stringify(oneLine(name))}]`;
      return index === 0 ? name : `.${name}`;
    })
    .join('');
}

/** A value on one line: words as they are, everything else as JSON, and lists of words in brackets. */
function text(value: unknown): string {
  if (typeof value === 'string') return isPlain(value) ? value : JSON.stringify(oneLine(value));
  if (Array.isArray(value)) return `[${value.map(text).join(', ')}]`;
  return oneLine(canonicalJson((value ?? null) as Json));
}

function isPlain(value: string): boolean {
  return (
    /^[^\s"'[\]{},]+$/.test(value) && oneLine(value) === value && !/^(true|false|null|[-+.\d]+)$/.test(value)
  );
}
