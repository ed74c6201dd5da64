import { compilePattern, type RoleLabels, type Selector } from '@postern/contracts';

/** Labels of a target: a cluster, a resource. */
export type Labels = Readonly<Record<string, string>>;

/** Whether labels fit a selector; if not, the first reason why. */
export type LabelMatch = { readonly matches: true } | { readonly matches: false; readonly reason: string };

/** Decides about the labels of one target. */
export type LabelMatcher = (labels: Labels) => LabelMatch;

const matched: LabelMatch = { matches: true };
const empty: LabelMatch = { matches: false, reason: 'the selector is empty' };

/**
 * Compiles a label selector: every key must be there with a value that one of its patterns matches. An empty selector
 * matches nothing, `{'*': '*'}` matches everything. Compile once per role; matching compiles nothing.
 */
export function compileLabels(selector: RoleLabels): LabelMatcher {
  const entries = Object.entries(selector);
  if (entries.length === 0) return () => empty;
  const checks = entries.map(([key, patterns]) =>
    key === '*' && isWildcard(patterns) ? () => matched : keyCheck(key, asList(patterns)),
  );
  return (labels) => {
    for (const check of checks) {
      const match = check(labels);
      if (!match.matches) return match;
    }
    return matched;
  };
}

/** Whether a resource with these labels is in a view: any item may match, all labels within an item must. */
export function compileSelector(selector: Pick<Selector, 'any'>): (labels: Labels) => boolean {
  const items = selector.any.map((item) => compileLabels(item.labels));
  return (labels) => items.some((matcher) => matcher(labels).matches);
}

function keyCheck(key: string, patterns: readonly string[]): LabelMatcher {
  const isAny = patterns.includes('*');
  const matchers = patterns.map(compilePattern);
  return (labels) => {
    if (!Object.hasOwn(labels, key)) return { matches: false, reason: `no key match: '${key}'` };
    const value = labels[key]!;
    if (isAny || matchers.some((matcher) => matcher(value))) return matched;
    return { matches: false, reason: `no value match: got '${value}' want: '[${patterns.join(' ')}]'` };
  };
}

function isWildcard(patterns: string | readonly string[]): boolean {
  return asList(patterns).length === 1 && asList(patterns)[0] === '*';
}

function asList(patterns: string | readonly string[]): readonly string[] {
  return typeof patterns === 'string' ? [patterns] : patterns;
}
