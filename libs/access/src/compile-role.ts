import {
  compileLabelExpression,
  compilePattern,
  isTemplate,
  type LabelExpression,
  type Matcher,
  type RecordingMode,
  type Role,
  type RoleConditions,
  type RoleLabels,
  type RoleVersion,
  type Traits,
} from '@postern/contracts';
import { KubeRules } from './kube-resource-rules.ts';
import { compileLabels, type Labels } from './label-matcher.ts';
import { allowRules, denyRules } from './role-versions.ts';
import { expandPattern, expandPrincipals, expandText } from './templates.ts';

/** A role as it applies to one user. */
export interface CompiledRole {
  readonly name: string;
  /** Whether the allow side selects a cluster with these labels. */
  readonly selects: (labels: Labels) => boolean;
  /** Whether the deny side refuses a cluster with these labels altogether. */
  readonly refuses: (labels: Labels) => boolean;
  readonly users: readonly string[];
  readonly groups: readonly string[];
  readonly allow: KubeRules;
  readonly deny: KubeRules;
  /** Whether the deny side selects clusters: what it says about users and groups then counts on those alone. */
  readonly isDenyScoped: boolean;
  readonly deniesUser: Matcher;
  readonly deniesGroup: Matcher;
  /** How sessions are recorded, where the role says so. */
  readonly recording: RecordingMode | undefined;
}

/** Compiles a role for a user. Rules without templates are compiled once for all users. */
export function compileRole(role: Role, traits: Traits): CompiledRole {
  const { allow, deny } = role.spec;
  const denyLabels = hasLabels(deny);
  return {
    name: role.metadata.name,
    selects: selection(allow, traits, 'allow'),
    refuses: selection(deny, traits, 'deny'),
    users: expandPrincipals(allow.kubernetes_users ?? [], traits),
    groups: expandPrincipals(allow.kubernetes_groups ?? [], traits),
    ...kubeRules(role, traits),
    isDenyScoped: denyLabels || deny.kubernetes_labels_expression !== undefined,
    deniesUser: anyOf(deny.kubernetes_users ?? [], traits),
    deniesGroup: anyOf(deny.kubernetes_groups ?? [], traits),
    recording: role.spec.options.record_session?.default,
  };
}

interface Rules {
  readonly allow: KubeRules;
  readonly deny: KubeRules;
}

const shared = new WeakMap<Role, Rules>();

function kubeRules(role: Role, traits: Traits): Rules {
  const { allow, deny } = role.spec;
  const written = [...(allow.kubernetes_resources ?? []), ...(deny.kubernetes_resources ?? [])];
  const isPersonal = written.some((resource) =>
    [resource.api_group, resource.namespace, resource.name, ...resource.verbs].some((text) =>
      isTemplate(text ?? ''),
    ),
  );
  const known = isPersonal ? undefined : shared.get(role);
  if (known) return known;
  // Versions are checked when a role is written; one that slipped through is read as the newest.
  const version = role.version as RoleVersion;
  const selectsClusters = hasLabels(allow) || allow.kubernetes_labels_expression !== undefined;
  const rules: Rules = {
    allow: new KubeRules(
      selectsClusters ? allowRules(version, allow.kubernetes_resources ?? [], traits) : [],
      'allow',
    ),
    deny: new KubeRules(denyRules(version, deny.kubernetes_resources ?? [], traits), 'deny'),
  };
  if (!isPersonal) shared.set(role, rules);
  return rules;
}

function hasLabels({ kubernetes_labels: labels }: RoleConditions): boolean {
  return labels !== undefined && Object.keys(labels).length > 0;
}

type Side = 'allow' | 'deny';

/** On the allow side what is written must all match; on the deny side one match is enough. */
function selection(conditions: RoleConditions, traits: Traits, side: Side): (labels: Labels) => boolean {
  const checks: LabelExpression[] = [];
  if (hasLabels(conditions)) checks.push(labelCheck(conditions.kubernetes_labels!, traits, side));
  const expression = conditions.kubernetes_labels_expression;
  if (expression !== undefined) checks.push(compileLabelExpression(expression));
  if (checks.length === 0) return () => false;
  return (labels) =>
    side === 'allow'
      ? checks.every((check) => check(labels, traits))
      : checks.some((check) => check(labels, traits));
}

/** Patterns by label key with templates expanded. */
export function expandLabels(labels: RoleLabels, traits: Traits, side: Side): Record<string, string[]> {
  const expandOne = side === 'allow' ? expandPattern : expandText;
  // A key whose values all come from missing traits stays, with nothing that could match: dropping it would widen the role.
  const expanded = Object.entries(labels).map(([key, values]): [string, string[]] => [
    key,
    [values].flat().flatMap((value) => expandOne(value, traits)),
  ]);
  return Object.fromEntries(expanded);
}

function labelCheck(labels: RoleLabels, traits: Traits, side: Side): LabelExpression {
  const expanded = expandLabels(labels, traits, side);
  const deniesAll = side === 'deny' && (expanded['*'] ?? []).includes('*');
  const matcher = compileLabels(expanded);
  return (target) => deniesAll || matcher(target).matches;
}

function anyOf(values: readonly string[], traits: Traits): Matcher {
  const matchers = values.flatMap((value) => expandText(value, traits)).map(compilePattern);
  return (text) => matchers.some((matches) => matches(text));
}
