import type { Role, RoleConditions, Traits } from '@postern/contracts';
import { mayRule } from '../admin-rules.ts';
import { type CompiledRole, compileRole, expandLabels } from '../compile-role.ts';
import type { KubeRule } from '../role-versions.ts';
import type { AccessUser } from '../types.ts';
import {
  coversLabels,
  coversRule,
  dependsOnTraits,
  type ExpandedLabels,
  labelTexts,
  takesFrom,
} from './covering.ts';
import { keepsDenials } from './kept-denials.ts';

/** Somebody with roles. */
export interface Holder {
  readonly user: AccessUser;
  readonly roles: readonly Role[];
}

/** Roles that somebody is about to get, or to get in another form. */
export interface KubeGift {
  readonly roles: readonly Role[];
  /** Every role of the receiver: their denials go with the gift. */
  readonly among: readonly Role[];
  /** Of the receiver. Absent: whoever it may be. */
  readonly traits?: Traits | undefined;
  /** What the receiver has without it. */
  readonly had?: Holder | undefined;
}

/** Whether the roles allow to give what one does not have: the verb `escalate` on `role`, which `*` includes. */
export function mayEscalate(roles: readonly Role[]): boolean {
  return mayRule(roles, 'role', 'escalate');
}

/**
 * The first right in Kubernetes clusters that the gift gives and the giver does not have, in words; undefined when there is none.
 *
 * A role gives each of its users and groups (without any it gives nothing), with each of its rules, on the clusters that it selects. Each such triple must be
 * within a single role of the giver (or of what the receiver has already), and what the giver is denied must be denied to the
 * receiver too. A denial that goes is something given. Where that cannot be told, because of a template or of two regular expressions, the answer is that it is more.
 */
export function kubeGiftBeyond(giver: Holder, gift: KubeGift): string | undefined {
  const wide = [...grantsOf(giver), ...(gift.had ? grantsOf(gift.had) : [])];
  for (const role of gift.roles) {
    if (isHeldAlready(role, gift)) continue;
    const beyond = roleBeyond(role, gift, wide) ?? deniedToGiver(role, gift, giver);
    if (beyond !== undefined) return beyond;
  }
  return freedFrom(gift);
}

/** What a role gives, as far as it can be compared. */
interface Grant {
  readonly role: string;
  readonly labels: ExpandedLabels | undefined;
  readonly expression: string | undefined;
  readonly rules: readonly KubeRule[];
  readonly users: ReadonlySet<string>;
  readonly groups: ReadonlySet<string>;
}

function grantsOf({ user, roles }: Holder): Grant[] {
  const compiled = roles.map((role) => compileRole(role, user.traits));
  return roles.map((role, index) => grantOf(role, user.traits, withoutDenied(compiled[index]!, compiled)));
}

function withoutDenied(role: CompiledRole, all: readonly CompiledRole[]): CompiledRole {
  return {
    ...role,
    users: role.users.filter((user) => !all.some((each) => each.deniesUser(user))),
    groups: role.groups.filter((group) => !all.some((each) => each.deniesGroup(group))),
  };
}

function grantOf(role: Role, traits: Traits, compiled: CompiledRole): Grant {
  const { kubernetes_labels: labels, kubernetes_labels_expression: expression } = role.spec.allow;
  return {
    role: role.metadata.name,
    labels: labels && Object.keys(labels).length > 0 ? expandLabels(labels, traits, 'allow') : undefined,
    expression,
    rules: compiled.allow.rules,
    users: new Set(compiled.users),
    groups: new Set(compiled.groups),
  };
}

function roleBeyond(role: Role, gift: KubeGift, wide: readonly Grant[]): string | undefined {
  const { allow } = role.spec;
  if (gift.traits === undefined && textsOf(allow).some(dependsOnTraits))
    return `whatever the templates of role "${role.metadata.name}" come to`;
  const traits = gift.traits ?? {};
  const grant = grantOf(role, traits, compileRole(role, traits));
  const selecting = wide.filter((each) => selectsAll(each, grant));
  for (const rule of grant.rules) {
    const giving = selecting.filter(({ rules }) => rules.some((each) => coversRule(each, rule)));
    const user = [...grant.users].find((name) => !giving.some(({ users }) => users.has(name)));
    if (user !== undefined) return `the Kubernetes user "${user}" ${shown(rule)}`;
    const group = [...grant.groups].find((name) => !giving.some(({ groups }) => groups.has(name)));
    if (group !== undefined) return `the Kubernetes group "${group}" ${shown(rule)}`;
  }
  return undefined;
}

/** Whether every cluster that `narrow` selects is selected by `wide`. */
function selectsAll(wide: Grant, narrow: Grant): boolean {
  if (wide.labels === undefined && wide.expression === undefined) return false;
  const byLabels = wide.labels === undefined || coversLabels(wide.labels, narrow.labels ?? {});
  const byExpression =
    wide.expression === undefined ||
    (wide.expression === narrow.expression && !dependsOnTraits(wide.expression));
  return byLabels && byExpression;
}

/** What the giver may not do, the receiver must not be able to do either. */
function deniedToGiver(role: Role, gift: KubeGift, { user, roles }: Holder): string | undefined {
  const { rules } = compileRole(role, gift.traits ?? {}).allow;
  if (rules.length === 0) return undefined;
  const missed = roles.find((each) => {
    if (gift.among.some((other) => keepsDenials(each, other))) return false;
    const { deny } = compileRole(each, user.traits);
    const { kubernetes_labels: labels, kubernetes_labels_expression: expression } = each.spec.deny;
    if (expression !== undefined || Object.keys(labels ?? {}).length > 0) return true;
    return deny.rules.some((denied) => rules.some((rule) => takesFrom(denied, rule)));
  });
  return missed && `what role "${missed.metadata.name}" denies to you`;
}

/** Nobody gets anything by a role that stays as it is, and is filled in with the same traits. */
function isHeldAlready(role: Role, { had, traits }: KubeGift): boolean {
  const before = had?.roles.find(({ metadata }) => metadata.name === role.metadata.name);
  if (!had || !before || before.version !== role.version) return false;
  if (JSON.stringify(kubePart(before.spec.allow)) !== JSON.stringify(kubePart(role.spec.allow))) return false;
  return !areOther(traits, had.user.traits) || !textsOf(role.spec.allow).some(dependsOnTraits);
}

function freedFrom({ had, among, traits }: KubeGift): string | undefined {
  const freed = had?.roles.find(
    (before) =>
      !among.some((each) => keepsDenials(before, each)) ||
      (areOther(traits, had.user.traits) && textsOf(before.spec.deny).some(dependsOnTraits)),
  );
  return freed && `what role "${freed.metadata.name}" denies`;
}

function areOther(traits: Traits | undefined, before: Traits): boolean {
  return traits !== undefined && JSON.stringify(traits) !== JSON.stringify(before);
}

function kubePart(side: RoleConditions): unknown[] {
  return [
    side.kubernetes_labels,
    side.kubernetes_labels_expression,
    side.kubernetes_groups,
    side.kubernetes_users,
    side.kubernetes_resources,
  ];
}

function textsOf(side: RoleConditions): string[] {
  return [
    ...labelTexts(side.kubernetes_labels ?? {}),
    side.kubernetes_labels_expression ?? '',
    ...(side.kubernetes_groups ?? []),
    ...(side.kubernetes_users ?? []),
    ...(side.kubernetes_resources ?? []).flatMap((resource) => [
      resource.api_group ?? '',
      resource.namespace ?? '',
      resource.name,
      ...resource.verbs,
    ]),
  ];
}

function shown({ kind, apiGroup, namespace, name, verbs }: KubeRule): string {
  const type = apiGroup === '' ? kind : `${kind} of API group "${apiGroup}"`;
  const where = namespace === '' ? 'of the cluster' : `in namespace "${namespace}"`;
  return `to ${verbs.join(', ')} ${type} named "${name}" ${where}`;
}
