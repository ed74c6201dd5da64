import type { Role, RoleVersion, Traits } from '@postern/contracts';
import { KubeRules } from './kube-resource-rules.ts';
import { allowRules, denyRules, type KubeRule } from './role-versions.ts';

/** One rule of a role, in the form of v8, and where it is written. */
export interface ExplainedRule {
  readonly role: string;
  readonly side: 'allow' | 'deny';
  /** Place in `spec.<side>.kubernetes_resources`; absent for a rule that the role's version adds. */
  readonly index?: number;
  readonly rule: KubeRule;
}

/** A rule with a table of its own, so that it can be asked alone. */
export interface AskableRule extends ExplainedRule {
  readonly alone: KubeRules;
}

/** The rule alone, to be shown. */
export function shownRule({ role, side, index, rule }: ExplainedRule): ExplainedRule {
  return index === undefined ? { role, side, rule } : { role, side, index, rule };
}

/** The rules of a role as a decision about this user's requests reads them, one by one. */
export function rulesOf(role: Role, traits: Traits): AskableRule[] {
  const { allow, deny } = role.spec;
  const version = role.version as RoleVersion;
  const denied = (deny.kubernetes_resources ?? []).flatMap((resource, index) =>
    denyRules(version, [resource], traits).map((rule) => askable({ ...named(role, 'deny'), index, rule })),
  );
  const selects =
    Object.keys(allow.kubernetes_labels ?? {}).length > 0 || allow.kubernetes_labels_expression !== undefined;
  return selects ? [...denied, ...allowedBy(role, traits)] : denied;
}

function allowedBy(role: Role, traits: Traits): AskableRule[] {
  const resources = role.spec.allow.kubernetes_resources ?? [];
  const version = role.version as RoleVersion;
  if (version === 'v7' || version === 'v8') {
    return resources.flatMap((resource, index) =>
      allowRules(version, [resource], traits).map((rule) =>
        askable({ ...named(role, 'allow'), index, rule }),
      ),
    );
  }
  // Up to v6 the rules say something together: all that they do not restrict is free.
  return allowRules(version, resources, traits).map((rule) => askable({ ...named(role, 'allow'), rule }));
}

function named(role: Role, side: 'allow' | 'deny'): Pick<ExplainedRule, 'role' | 'side'> {
  return { role: role.metadata.name, side };
}

function askable(rule: ExplainedRule): AskableRule {
  return { ...rule, alone: new KubeRules([rule.rule], rule.side) };
}
