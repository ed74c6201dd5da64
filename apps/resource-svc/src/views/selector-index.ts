import { compileLabels, type LabelMatcher, type Labels } from '@postern/access';
import { isLiteral, type Selector } from '@postern/contracts';

interface Entry {
  readonly hash: string;
  readonly kinds: ReadonlySet<string>;
  readonly matches: LabelMatcher;
  /** Where it is filed, so that it can be taken out again. */
  readonly buckets: readonly Bucket[];
}

type Bucket = Set<Entry>;

/**
 * Finds the views that a resource is in. Each item of a selector is filed under the one `label=value` with the fewest others,
 * or under a key, or under everything, so that a change costs as much as the selectors that could match it.
 */
export class SelectorIndex {
  readonly #byValue = new Map<string, Bucket>();
  readonly #byKey = new Map<string, Bucket>();
  readonly #everything: Bucket = new Set();
  readonly #views = new Map<string, readonly Entry[]>();

  get hashes(): ReadonlySet<string> {
    return new Set(this.#views.keys());
  }

  has(hash: string): boolean {
    return this.#views.has(hash);
  }

  add(hash: string, selector: Selector): void {
    if (this.#views.has(hash)) return;
    const kinds = new Set(selector.kinds);
    const entries = selector.any.map(({ labels }): Entry => {
      const buckets = this.#bucketsFor(labels);
      const entry = { hash, kinds, matches: compileLabels(labels), buckets };
      for (const bucket of buckets) bucket.add(entry);
      return entry;
    });
    this.#views.set(hash, entries);
  }

  remove(hash: string): void {
    for (const entry of this.#views.get(hash) ?? []) for (const bucket of entry.buckets) bucket.delete(entry);
    this.#views.delete(hash);
  }

  /** The hashes of the views that a resource with these labels is in. */
  matching(kind: string, labels: Labels): Set<string> {
    const found = new Set<string>();
    this.#collect(this.#everything, { kind, labels, found });
    for (const [key, value] of Object.entries(labels)) {
      this.#collect(this.#byKey.get(key), { kind, labels, found });
      this.#collect(this.#byValue.get(valueKey(key, value)), { kind, labels, found });
    }
    return found;
  }

  #collect(bucket: Bucket | undefined, { kind, labels, found }: Search): void {
    for (const entry of bucket ?? []) {
      if (!found.has(entry.hash) && entry.kinds.has(kind) && entry.matches(labels).matches)
        found.add(entry.hash);
    }
  }

  #bucketsFor(patterns: Selector['any'][number]['labels']): Bucket[] {
    const keyed = Object.entries(patterns).filter(([key]) => key !== '*');
    const literal = keyed.filter(
      ([, values]) => values.length > 0 && values.every((value) => isLiteral(value)),
    );
    const choices = literal.map(([key, values]) =>
      values.map((value) => bucketAt(this.#byValue, valueKey(key, value))),
    );
    const [best] = choices.toSorted((a, b) => sizeOf(a) - sizeOf(b));
    if (best) return best;
    const [first] = keyed;
    return [first ? bucketAt(this.#byKey, first[0]) : this.#everything];
  }
}

interface Search {
  readonly kind: string;
  readonly labels: Labels;
  readonly found: Set<string>;
}

function valueKey(key: string, value: string): string {
  return JSON.stringify([key, value]);
}

function sizeOf(buckets: readonly Bucket[]): number {
  return buckets.reduce((sum, bucket) => sum + bucket.size, 0);
}

function bucketAt(map: Map<string, Bucket>, key: string): Bucket {
  const found = map.get(key) ?? new Set();
  map.set(key, found);
  return found;
}
