import { canonicalJson, sha256Hex } from '@postern/core';
import { Type, type Static } from 'typebox';

/** Label patterns: any listed pattern may match; `*`, globs and `^regex$` as in compatibility.md 2.2. */
export const LabelPatterns = Type.Record(Type.String(), Type.Array(Type.String(), { minItems: 1 }));
export type LabelPatterns = Static<typeof LabelPatterns>;

/** What a view selects: resources of these kinds whose labels match any item; within an item all labels must match. */
export const Selector = Type.Object({
  kinds: Type.Array(Type.String(), { minItems: 1 }),
  any: Type.Array(Type.Object({ labels: LabelPatterns })),
  /** Whether the entries carry the secrets of their resources, sealed with the key of the view. */
  secrets: Type.Optional(Type.Boolean()),
});
export type Selector = Static<typeof Selector>;

/** The selector that matches every resource of these kinds. */
export function everything(...kinds: string[]): Selector {
  return { kinds, any: [{ labels: { '*': ['*'] } }] };
}

/** The same selector with everything sorted and duplicates dropped, so that equal selections share a view. */
export function canonicalSelector(selector: Selector): Selector {
  const items = selector.any.map((item) => ({ labels: sortedPatterns(item.labels) }));
  const byText = new Map(items.map((item) => [canonicalJson(item), item]));
  return {
    kinds: [...new Set(selector.kinds)].toSorted(),
    any: [...byText.keys()].toSorted().map((text) => byText.get(text)!),
    ...(selector.secrets === true ? { secrets: true } : {}),
  };
}

/** Name of a view: 128 bits of SHA-256 over the canonical selector, as lower-case hex. */
export function selectorHash(selector: Selector): string {
  return sha256Hex(canonicalJson(canonicalSelector(selector))).slice(0, 32);
}

function sortedPatterns(labels: LabelPatterns): LabelPatterns {
  const keys = Object.keys(labels).toSorted();
  return Object.fromEntries(keys.map((key) => [key, canonicalPatterns(key, labels[key]!)]));
}

/** Beside `*` nothing else matters. Under the key `*` it means every resource only where it is alone. */
function canonicalPatterns(key: string, patterns: readonly string[]): string[] {
  const sorted = [...new Set(patterns)].toSorted();
  if (key !== '*') return sorted.includes('*') ? ['*'] : sorted;
  return sorted.length === 1 && patterns.length > 1 ? [sorted[0]!, sorted[0]!] : sorted;
}
