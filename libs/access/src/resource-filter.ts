import { failure } from '@postern/core';
import { PatternIndex } from './pattern-index.ts';
import { remembered } from './remembered-decisions.ts';

/** Names that a filter lets through, or not, in the namespaces that fit `namespace`. Both are patterns. */
export interface FilterEntry {
  /** Empty for objects of the whole cluster; `*` covers those too. */
  readonly namespace: string;
  readonly names: readonly string[];
}

/**
 * Which objects of one resource type a user may see, as plain JSON: the edge puts it into the signed grant, whoever holds
 * the answer applies it. An object passes when an `allow` entry matches it and no `deny` entry does.
 */
export interface ResourceFilter {
  readonly v: 1;
  readonly apiGroup: string;
  readonly resource: string;
  readonly allow: readonly FilterEntry[];
  readonly deny: readonly FilterEntry[];
}

/** Whether an object of a list, watch or deletecollection is the user's to see. */
export type ObjectFilter = (apiGroup: string, resource: string, namespace: string, name: string) => boolean;

/** A filter of another version than this program knows: letting objects through by guessing would leak them. */
export const UnknownFilter = failure(
  'failed_precondition',
  'access.unknown_filter',
  () => 'the resource filter has an unknown version',
);

const compiled = new WeakMap<ResourceFilter, ObjectFilter>();

/** Compiles a filter, once. The cost per object grows only with patterns that have no literal beginning or end. */
export function compileFilter(filter: ResourceFilter): ObjectFilter {
  const known = compiled.get(filter);
  if (known) return known;
  if (filter.v !== 1) throw UnknownFilter();
  const allow = new ScopeIndex(filter.allow);
  const deny = new ScopeIndex(filter.deny);
  const isSeen = (namespace: string, name: string) =>
    !deny.has(namespace, name) && allow.has(namespace, name);
  const isSeenAgain = allow.isDear || deny.isDear ? remembered(isSeen) : isSeen;
  const passes: ObjectFilter = (apiGroup, resource, namespace, name) =>
    apiGroup === filter.apiGroup && resource === filter.resource && isSeenAgain(namespace, name);
  compiled.set(filter, passes);
  return passes;
}

const maxCheapPatterns = 2;

/** A set of (namespace pattern, name pattern) pairs. */
export class ScopeIndex {
  readonly #namespaces = new PatternIndex<PatternIndex<true>>();
  #isSlow = false;
  #count = 0;

  constructor(entries: Iterable<FilterEntry> = []) {
    for (const { namespace, names } of entries) this.#add(namespace, names);
  }

  add(namespace: string, name: string): void {
    this.#add(namespace, [name]);
  }

  #add(namespace: string, names: readonly string[]): void {
    const index = this.#namespaces.at(namespace, () => new PatternIndex<true>());
    for (const name of names) index.at(name, alwaysTrue);
    this.#count += names.length;
    this.#isSlow ||= index.isSlow || this.#namespaces.isSlow;
  }

  /** Whether a decision costs more than to look up what it was the last time. */
  get isDear(): boolean {
    return this.#isSlow || this.#count > maxCheapPatterns;
  }

  /** Whether a pair matches the object. One without a namespace only fits the namespace patterns "" and `*`. */
  has(namespace: string, name: string): boolean {
    const byName = (names: PatternIndex<true>) => names.some(name, isTrue);
    return namespace === ''
      ? this.#namespaces.someVerbatim('', byName)
      : this.#namespaces.some(namespace, byName);
  }
}

const alwaysTrue = (): true => true;

function isTrue(value: true): boolean {
  return value;
}
