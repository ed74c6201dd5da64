import {
  compilePattern,
  isClusterWideResource,
  isLiteral,
  isNamespacedResource,
  type Matcher,
} from '@postern/contracts';
import { type FilterEntry, ScopeIndex } from './resource-filter.ts';
import type { KubeRule } from './role-versions.ts';
import type { RuleVerb } from './rule-verb.ts';

/** What a request asks of the rules. */
export interface KubeQuery {
  readonly kind: string;
  readonly apiGroup: string;
  readonly namespace: string;
  readonly name: string;
  readonly verb: RuleVerb;
}

type Side = 'allow' | 'deny';

/**
 * The v8 rules of one side of a role, indexed: what one decision costs does not grow with the number of rules. Namespaces
 * themselves follow rules of their own (see `namespaceRows`) and are kept in tables of their own.
 */
export class KubeRules {
  readonly isEmpty: boolean;
  readonly rules: readonly KubeRule[];
  readonly #objects: RuleTable;
  readonly #namespaceReads: RuleTable;
  readonly #namespaceWrites: RuleTable;

  constructor(rules: readonly KubeRule[], side: Side) {
    this.rules = rules.filter((rule) => rule.verbs.length > 0);
    this.isEmpty = this.rules.length === 0;
    this.#objects = new RuleTable(this.rules, side);
    this.#namespaceReads = new RuleTable(
      () => this.rules.flatMap((rule) => namespaceRows(rule, side, true)),
      side,
    );
    this.#namespaceWrites = new RuleTable(
      () => this.rules.flatMap((rule) => namespaceRows(rule, side, false)),
      side,
    );
  }

  /** Whether a rule matches this one object. */
  matches(query: KubeQuery): boolean {
    const { namespace, name } = scopeOf(query);
    return this.#buckets(query).some((bucket) => bucket.scopes.has(namespace, name));
  }

  /** As `matches`, whatever the verb: tells a missing verb from a missing rule. */
  matchesSomeVerb(query: KubeQuery): boolean {
    const { namespace, name } = scopeOf(query);
    return this.#table(query)
      .buckets(query, true)
      .some((bucket) => bucket.scopes.has(namespace, name));
  }

  /** Whether a rule matches every object that the query can reach. */
  covers(query: KubeQuery): boolean {
    return this.entries(query).some((entry) => coversNamespace(entry, query) && coversName(entry, query));
  }

  /** The scopes of the rules that could match an object the query can reach. An empty name stands for every name. */
  entries(query: KubeQuery): FilterEntry[] {
    const entries: FilterEntry[] = [];
    for (const bucket of this.#buckets(query)) {
      for (const [namespace, names] of bucket.names) {
        if (!touchesNamespace(namespace, query)) continue;
        const fitting = query.name === '' ? names : names.filter((name) => fits(name, query.name));
        if (fitting.length > 0) entries.push({ namespace, names: fitting });
      }
    }
    return entries;
  }

  #buckets(query: KubeQuery): Bucket[] {
    return this.#table(query).buckets(query, false);
  }

  #table(query: KubeQuery): RuleTable {
    if (!isNamespaceQuery(query)) return this.#objects;
    return isRead(query.verb.allow) ? this.#namespaceReads : this.#namespaceWrites;
  }
}

/**
 * Rows by which requests for namespaces themselves are judged; their `name` fits the namespace's name.
 *
 * Allowed reads: whoever may do something in a namespace may see it. Allowed writes: a rule for `namespaces`, or one for
 * every kind and every name in that namespace; one that is limited to some names must not allow the deletion of them all.
 * Denials: a rule for `namespaces`, or one for every kind; a rule for some other kind says nothing about namespaces.
 */
function namespaceRows(rule: KubeRule, side: Side, isReading: boolean): KubeRule[] {
  const row = { ...rule, kind: 'namespaces', namespace: '' };
  const isUnscoped = rule.namespace === '' || rule.namespace === '*';
  const isForNamespaces = rule.kind === 'namespaces' || (rule.kind === '*' && isUnscoped);
  if (isForNamespaces && (isUnscoped || side === 'deny')) {
    const seesAll = side === 'allow' && isReading && rule.kind === '*' && rule.namespace === '*';
    return seesAll ? [{ ...row, apiGroup: '', name: '*' }] : [row];
  }
  if (side === 'allow' && isReading) return visible(rule);
  if (rule.kind !== '*' || (side === 'allow' && rule.name !== '*')) return [];
  return [{ ...row, name: rule.namespace }];
}

function visible(rule: KubeRule): KubeRule[] {
  if (rule.namespace === '') return [];
  if (rule.kind === 'namespaces' ? rule.name !== '*' : isClusterWideResource(rule.apiGroup, rule.kind))
    return [];
  return [{ ...rule, kind: 'namespaces', apiGroup: '', namespace: '', name: rule.namespace }];
}

interface Bucket {
  readonly apiGroup: string;
  readonly matchesGroup: Matcher;
  readonly verbs: ReadonlySet<string>;
  /** Name patterns by namespace pattern. */
  readonly names: Map<string, string[]>;
  readonly scopes: ScopeIndex;
}

/** Rules by kind, and within a kind by API group and verbs. Built on first use. */
class RuleTable {
  readonly #source: readonly KubeRule[] | (() => readonly KubeRule[]);
  readonly #side: Side;
  #byKind: Map<string, Bucket[]> | undefined;

  constructor(source: readonly KubeRule[] | (() => readonly KubeRule[]), side: Side) {
    this.#source = source;
    this.#side = side;
  }

  buckets({ kind, apiGroup, verb }: KubeQuery, isAnyVerb: boolean): Bucket[] {
    this.#byKind ??= bucketsByKind(typeof this.#source === 'function' ? this.#source() : this.#source);
    const isDeny = this.#side === 'deny';
    // "May I do everything?" is answered no when anything is denied.
    const named = kind === '*' ? [] : (this.#byKind.get(kind) ?? []);
    const candidates =
      isDeny && kind === '*'
        ? [...this.#byKind.values()].flat()
        : [...named, ...(this.#byKind.get('*') ?? [])];
    return candidates.filter((bucket) => {
      const inGroup = bucket.matchesGroup(apiGroup) || (isDeny && apiGroup === '*');
      return inGroup && (isAnyVerb || hasVerb(bucket.verbs, verb, this.#side));
    });
  }
}

function bucketsByKind(rules: readonly KubeRule[]): Map<string, Bucket[]> {
  const byKind = new Map<string, Map<string, Bucket>>();
  for (const { kind, apiGroup, verbs, namespace, name } of rules) {
    const ofKind = byKind.get(kind) ?? new Map<string, Bucket>();
    byKind.set(kind, ofKind);
    const key = `${apiGroup} ${[...verbs].toSorted().join(' ')}`;
    const bucket = ofKind.get(key) ?? newBucket(apiGroup, verbs);
    ofKind.set(key, bucket);
    const names = bucket.names.get(namespace);
    if (names) names.push(name);
    else bucket.names.set(namespace, [name]);
    bucket.scopes.add(namespace, name);
  }
  return new Map([...byKind].map(([kind, buckets]) => [kind, [...buckets.values()]]));
}

function newBucket(apiGroup: string, verbs: readonly string[]): Bucket {
  const matchesGroup = compilePattern(apiGroup);
  return { apiGroup, matchesGroup, verbs: new Set(verbs), names: new Map(), scopes: new ScopeIndex() };
}

function hasVerb(verbs: ReadonlySet<string>, asked: RuleVerb, side: Side): boolean {
  if (verbs.has('*')) return true;
  if (side === 'allow') return verbs.has(asked.allow);
  return asked.deny.some((verb) => verb === '*' || verbs.has(verb));
}

/**
 * Where the object is. Some clients name a namespace also for objects that have none: `kubectl auth can-i get nodes` sends the
 * current one, and the API server's own attributes put a namespace into itself.
 */
function scopeOf({ kind, apiGroup, namespace, name }: KubeQuery): {
  readonly namespace: string;
  readonly name: string;
} {
  return { namespace: namespace !== '' && isClusterWideResource(apiGroup, kind) ? '' : namespace, name };
}

function isNamespaceQuery({ kind, apiGroup }: KubeQuery): boolean {
  return kind === 'namespaces' && apiGroup === '';
}

function isRead(verb: string): boolean {
  return verb === 'get' || verb === 'list' || verb === 'watch';
}

function touchesNamespace(pattern: string, query: KubeQuery): boolean {
  const { namespace } = scopeOf(query);
  if (namespace !== '') return fits(pattern, namespace);
  if (isClusterWideResource(query.apiGroup, query.kind)) return pattern === '' || pattern === '*';
  return pattern !== '' || !isNamespacedResource(query.apiGroup, query.kind);
}

function coversNamespace({ namespace: pattern }: FilterEntry, query: KubeQuery): boolean {
  const { namespace } = scopeOf(query);
  if (pattern === '*' || namespace !== '') return true;
  return pattern === '' && isClusterWideResource(query.apiGroup, query.kind);
}

function coversName({ names }: FilterEntry, query: KubeQuery): boolean {
  return query.name === '' ? names.includes('*') : names.length > 0;
}

function fits(pattern: string, text: string): boolean {
  return pattern === '*' || (isLiteral(pattern) ? pattern === text : compilePattern(pattern)(text));
}
