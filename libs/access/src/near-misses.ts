import { isClusterWideResource, isLiteral } from '@postern/contracts';
import { type AskableRule, type ExplainedRule, shownRule } from './explained-rules.ts';
import { type KubeQuery, KubeRules } from './kube-resource-rules.ts';
import type { KubeRule } from './role-versions.ts';

/** A part of a rule, or the labels of its role. */
export type RulePart = 'labels' | 'kind' | 'apiGroup' | 'namespace' | 'name' | 'verbs';

/** A rule that would have allowed the request, had it said something else in these parts. */
export interface NearMiss extends ExplainedRule {
  readonly differs: readonly RulePart[];
}

const parts = ['verbs', 'name', 'namespace', 'kind', 'apiGroup'] as const;
const combinations: readonly (readonly (typeof parts)[number][])[] = [
  [],
  ...parts.map((part) => [part]),
  ...parts.flatMap((first, at) => parts.slice(at + 1).map((second) => [first, second])),
];
// Looking closer at more of them would take long and tell nobody anything.
const maxRules = 2000;
const maxShown = 5;

/** Whether rules allow what was asked, whole or in part. */
export type Asks = (rules: KubeRules) => boolean;

/** The allow rules that come closest, the closest first. `isSelected` says whether the rule's role selects the cluster. */
export function nearMisses(
  rules: readonly AskableRule[],
  query: KubeQuery,
  { asks, isSelected }: { readonly asks: Asks; readonly isSelected: (role: string) => boolean },
): NearMiss[] {
  const misses = rules
    .filter(({ side }) => side === 'allow')
    .slice(0, maxRules)
    .flatMap((rule) => {
      const changed = combinations.find((each) =>
        asks(new KubeRules([changedIn(rule.rule, each, query)], 'allow')),
      );
      if (!changed) return [];
      return [
        {
          ...shownRule(rule),
          differs: [...(isSelected(rule.role) ? [] : (['labels'] as const)), ...changed],
        },
      ];
    });
  return misses.toSorted((a, b) => a.differs.length - b.differs.length).slice(0, maxShown);
}

function changedIn(rule: KubeRule, changed: readonly (typeof parts)[number][], query: KubeQuery): KubeRule {
  const wanted = wantedBy(query);
  return { ...rule, ...Object.fromEntries(changed.map((part) => [part, wanted[part]])) };
}

/** A rule that allows just this. */
function wantedBy({ kind, apiGroup, namespace, name }: KubeQuery): KubeRule {
  const place = isClusterWideResource(apiGroup, kind) ? '' : literal(namespace);
  return {
    kind: kind || '*',
    apiGroup: apiGroup && literal(apiGroup),
    namespace: place,
    name: literal(name),
    verbs: ['*'],
  };
}

/** What was asked for may look like a pattern, and an unbalanced one would not compile. */
function literal(text: string): string {
  return text !== '' && isLiteral(text) ? text : '*';
}
