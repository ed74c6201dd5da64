import type { ExplainedRule, NearMiss, RulePart } from '@postern/access';

/** Where a rule is written, and what it says in the words of role version v8. */
export function ruleText({ role, side, index, rule }: ExplainedRule): string {
  const { kind, apiGroup, namespace, name, verbs } = rule;
  const place =
    index === undefined ? 'what its role version adds' : `spec.${side}.kubernetes_resources[${index}]`;
  const says = [
    `kind ${shown(kind)}`,
    `api_group ${shown(apiGroup)}`,
    `namespace ${shown(namespace)}`,
    `name ${shown(name)}`,
    `verbs [${verbs.join(', ')}]`,
  ];
  return `role ${role}, ${place}: ${says.join(', ')}`;
}

/** A rule that would have allowed it, and what of it is in the way. */
export function missText(miss: NearMiss): string {
  return `${ruleText(miss)} — ${miss.differs.map((part) => words[part]).join(' and ')}`;
}

const words: Readonly<Record<RulePart, string>> = {
  labels: 'its role does not select this cluster',
  kind: 'another kind',
  apiGroup: 'another API group',
  namespace: 'another namespace',
  name: 'another name',
  verbs: 'the verb is missing',
};

function shown(text: string): string {
  return text === '' ? '""' : text;
}
