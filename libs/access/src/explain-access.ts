import type { Role } from '@postern/contracts';
import { isOpenPath, isSelfReview } from './api-paths.ts';
import { compilePolicy } from './compile-policy.ts';
import { type CompiledRole, compileRole, expandLabels } from './compile-role.ts';
import { decideKubeAccess, isListVerb, type KubeAccessRequest, pathQuery, queryOf } from './decide-access.ts';
import { type AskableRule, type ExplainedRule, rulesOf, shownRule } from './explained-rules.ts';
import type { Principals } from './impersonation.ts';
import type { KubeRules } from './kube-resource-rules.ts';
import { compileLabels } from './label-matcher.ts';
import { type NearMiss, nearMisses } from './near-misses.ts';
import type { AccessCluster, AccessUser, KubeDecision } from './types.ts';

/** What one role had to say about a request. */
export interface ExplainedRole {
  readonly name: string;
  /** `refused`: its deny side refuses the cluster. A role's deny rules count whether it selects the cluster or not. */
  readonly cluster: 'selected' | 'not_selected' | 'refused';
  /** Why the cluster is not selected, or empty. */
  readonly reason: string;
  /** What its rules say: for a list, `allows` and `denies` may be about part of it. */
  readonly says: 'denies' | 'allows' | 'nothing';
  /** Kubernetes users and groups that it would give. */
  readonly users: readonly string[];
  readonly groups: readonly string[];
}

/** A decision, and all that led to it. */
export interface KubeExplanation {
  readonly decision: KubeDecision;
  /** What decided: a lock; rules of the roles; that it is open to all who reach the cluster; or what is not about rules. */
  readonly basis: 'lock' | 'rules' | 'open' | 'cluster' | 'principals';
  /** The rules that decided: of a denial those that deny, else those that allow. None where no rule fits. */
  readonly decidedBy: readonly ExplainedRule[];
  /** Deny rules that take something out of a list that is allowed. */
  readonly limitedBy: readonly ExplainedRule[];
  /** Where no rule allows it, the rules that come closest. */
  readonly nearest: readonly NearMiss[];
  /** The users and groups that the roles which allow it give together, after denials. */
  readonly principals: Principals;
  /** Every role considered, by name. */
  readonly roles: readonly ExplainedRole[];
}

/**
 * Decides as `decideKubeAccess` does, and says by what. It asks the same rules, each alone: what decides is whatever single
 * rule would decide the same.
 */
export function explainKubeAccess(asked: KubeAccessRequest): KubeExplanation {
  const { user, roles, cluster, request } = asked;
  const decision = decideKubeAccess(asked);
  const query = request.isResourceRequest ? queryOf(request) : pathQuery(request);
  const isList = request.isResourceRequest && isListVerb(request.verb);
  const rules = roles.toSorted(byName).flatMap((role) => rulesOf(role, user.traits));
  const allows = (one: KubeRules) => (isList ? one.entries(query).length > 0 : one.matches(query));
  const denies = (one: KubeRules) => (isList ? one.covers(query) : one.matches(query));
  const touches = (one: KubeRules) => (isList ? one.entries(query).length > 0 : one.matches(query));
  const explained = roles.toSorted(byName).map((role) => {
    const own = rules.filter((rule) => rule.role === role.metadata.name);
    const speaks = (side: 'allow' | 'deny') =>
      own.some((rule) => rule.side === side && (side === 'allow' ? allows : touches)(rule.alone));
    return explainRole(role, { user, cluster, says: saysOf(speaks) });
  });
  const selected = new Set(explained.filter((role) => role.cluster === 'selected').map(({ name }) => name));
  const ofSide = (side: 'allow' | 'deny', fits: (one: KubeRules) => boolean) =>
    rules.filter((rule) => rule.side === side && fits(rule.alone));
  const basis = basisOf(decision, asked);
  const denying = ofSide('deny', denies);
  const allowing = ofSide('allow', allows).filter(({ role }) => selected.has(role));
  const decidedBy = decidingRules(decision, basis, { denying, allowing });
  const isMissing = !decision.allowed && (decision.missing === 'resource' || decision.missing === 'verb');
  const miss = { asks: allows, isSelected: (role: string) => selected.has(role) };
  return {
    decision,
    basis,
    decidedBy: decidedBy.map(shownRule),
    limitedBy: decision.allowed && isList ? ofSide('deny', touches).map(shownRule) : [],
    nearest: isMissing && decidedBy.length === 0 ? nearMisses(rules, query, miss) : [],
    principals: principalsOn(asked, new Set(allowing.map(({ role }) => role)), basis),
    roles: explained,
  };
}

function byName(a: Role, b: Role): number {
  return a.metadata.name < b.metadata.name ? -1 : Number(a.metadata.name > b.metadata.name);
}

function saysOf(speaks: (side: 'allow' | 'deny') => boolean): ExplainedRole['says'] {
  if (speaks('deny')) return 'denies';
  return speaks('allow') ? 'allows' : 'nothing';
}

interface About {
  readonly user: AccessUser;
  readonly cluster: AccessCluster;
  readonly says: ExplainedRole['says'];
}

function explainRole(role: Role, { user, cluster, says }: About): ExplainedRole {
  const compiled = compileRole(role, user.traits);
  const { name, users, groups } = compiled;
  return { name, ...onCluster(role, compiled, { user, cluster }), says, users, groups };
}

function onCluster(
  role: Role,
  compiled: CompiledRole,
  { user, cluster: { labels } }: Omit<About, 'says'>,
): Pick<ExplainedRole, 'cluster' | 'reason'> {
  if (compiled.refuses(labels)) return { cluster: 'refused', reason: '' };
  if (compiled.selects(labels)) return { cluster: 'selected', reason: '' };
  const { kubernetes_labels: written = {}, kubernetes_labels_expression: expression } = role.spec.allow;
  if (Object.keys(written).length === 0 && expression === undefined)
    return { cluster: 'not_selected', reason: 'kubernetes_labels is empty: it selects no cluster' };
  const match = compileLabels(expandLabels(written, user.traits, 'allow'))(labels);
  if (Object.keys(written).length > 0 && !match.matches)
    return { cluster: 'not_selected', reason: `kubernetes_labels: ${match.reason}` };
  return { cluster: 'not_selected', reason: 'kubernetes_labels_expression does not match' };
}

function basisOf(decision: KubeDecision, { request }: KubeAccessRequest): KubeExplanation['basis'] {
  if (!decision.allowed) {
    if (decision.missing === 'lock') return 'lock';
    if (decision.missing === 'labels') return 'cluster';
    return decision.missing === 'groups' || decision.missing === 'impersonation' ? 'principals' : 'rules';
  }
  const isOpen = request.isResourceRequest ? isSelfReview(request) : isOpenPath(request);
  return isOpen ? 'open' : 'rules';
}

interface Fitting {
  readonly denying: readonly AskableRule[];
  readonly allowing: readonly AskableRule[];
}

function decidingRules(
  decision: KubeDecision,
  basis: KubeExplanation['basis'],
  { denying, allowing }: Fitting,
): readonly AskableRule[] {
  if (basis === 'open' || basis === 'cluster' || basis === 'lock') return [];
  if (decision.allowed || basis === 'principals') return allowing;
  return decision.code === 'access.resource_denied' ? denying : [];
}

function principalsOn(
  { user, roles, cluster }: KubeAccessRequest,
  allowing: ReadonlySet<string>,
  basis: KubeExplanation['basis'],
): Principals {
  const policy = compilePolicy(user, roles).on(cluster.labels);
  const giving =
    basis === 'open' || allowing.size === 0
      ? policy.roles
      : policy.roles.filter(({ name }) => allowing.has(name));
  return policy.principals(giving);
}
