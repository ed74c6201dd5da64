import type { Role } from '@postern/contracts';
import { isOpenPath, isSelfReview } from './api-paths.ts';
import type { ClusterPolicy } from './cluster-policy.ts';
import { type CompiledPolicy, compilePolicy } from './compile-policy.ts';
import type { CompiledRole } from './compile-role.ts';
import {
  clusterDenied,
  forbidden,
  labelsDoNotMatch,
  locked,
  noPrincipals,
  resourceMessage,
} from './denials.ts';
import { impersonate, principalsOf } from './impersonation.ts';
import type { KubeQuery } from './kube-resource-rules.ts';
import { opensSession, recordingMode } from './recording-mode.ts';
import type { ResourceFilter } from './resource-filter.ts';
import { ruleVerb } from './rule-verb.ts';
import type {
  AccessCluster,
  AccessLock,
  AccessUser,
  DenyCode,
  ImpersonationRequest,
  KubeAttributes,
  KubeDecision,
  KubeDeny,
  MissingPiece,
} from './types.ts';

/** A request to decide about. */
export interface KubeAccessRequest {
  readonly user: AccessUser;
  /** The roles of the user, of this moment. */
  readonly roles: readonly Role[];
  readonly cluster: AccessCluster;
  readonly request: KubeAttributes;
  readonly impersonate?: ImpersonationRequest;
  /** A lock on the user, one of the roles, the session or the cluster. */
  readonly lock?: AccessLock | undefined;
}

/**
 * Decides whether a request to a Kubernetes cluster may be forwarded, and as whom.
 *
 * A lock wins over everything. Then denials come first and win, whatever the order of roles and rules. Then some role that selects the cluster must have a rule
 * that matches; only such roles contribute users and groups. A list is allowed when some of it could be visible, with a filter
 * that says what. A resource type nobody wrote a rule for is refused unless a rule for every kind (`*`) covers it.
 */
export function decideKubeAccess({
  user,
  roles,
  cluster,
  request,
  impersonate,
  lock,
}: KubeAccessRequest): KubeDecision {
  if (lock)
    return locked(
      lock,
      roles.map(({ metadata }) => metadata.name),
    );
  const policy = compilePolicy(user, roles);
  const onCluster = policy.on(cluster.labels);
  const refusal = refuseCluster(policy, onCluster, cluster);
  if (refusal) return refusal;
  const scope = decideScope({ policy, onCluster, request });
  if ('allowed' in scope) return scope;
  const decision = runAs(policy, onCluster, scope, impersonate ?? {});
  if (!decision.allowed || !opensSession(request)) return decision;
  return { ...decision, recording: recordingMode(policy.roles, scope.roles) };
}

/** Whether the user may see that the cluster exists: some role selects it and none refuses it. */
export function mayReachCluster({ user, roles, cluster }: Omit<KubeAccessRequest, 'request'>): boolean {
  const onCluster = compilePolicy(user, roles).on(cluster.labels);
  return onCluster.refusedBy === undefined && onCluster.roles.length > 0;
}

/** Every Kubernetes user and group that the user's roles name for any cluster, for display. */
export function kubePrincipals({ user, roles }: Pick<KubeAccessRequest, 'user' | 'roles'>): {
  readonly users: readonly string[];
  readonly groups: readonly string[];
} {
  const compiled = compilePolicy(user, roles).roles;
  return principalsOf(
    compiled,
    compiled.filter((role) => !role.isDenyScoped),
  );
}

/** What a decision is made of. */
export interface DecisionContext {
  readonly policy: CompiledPolicy;
  readonly onCluster: ClusterPolicy;
  readonly request: KubeAttributes;
}

/** Roles that allow a request, and what of its answer may be seen. */
export interface AllowedScope {
  readonly roles: readonly CompiledRole[];
  readonly filter?: ResourceFilter;
}

/** A refusal that has nothing to do with the request: the cluster itself, or nobody to run as. */
export function refuseCluster(
  policy: CompiledPolicy,
  onCluster: ClusterPolicy,
  cluster: AccessCluster,
): KubeDeny | undefined {
  if (onCluster.refusedBy !== undefined) return clusterDenied(cluster, onCluster.refusedBy, policy.roleNames);
  if (onCluster.roles.length === 0) return labelsDoNotMatch(cluster, policy.roleNames);
  const { users, groups } = onCluster.principals(onCluster.roles);
  return users.length === 0 && groups.length === 0 ? noPrincipals(policy.roleNames) : undefined;
}

/** Decides about the request's own content: path or resource. */
export function decideScope(context: DecisionContext): AllowedScope | KubeDeny {
  const { request } = context;
  if (!request.isResourceRequest) return decidePath(context);
  const query = queryOf(request);
  return isListVerb(request.verb) ? decideList(context, query) : decideObject(context, query);
}

/** The rules' view of a request. */
export function queryOf(request: KubeAttributes): KubeQuery {
  const { resource: kind, apiGroup, namespace, name } = request;
  return { kind, apiGroup, namespace, name, verb: ruleVerb(request) };
}

/** The same of a path. No resource type is called "", so that only rules for every kind match, whether they allow or deny. */
export function pathQuery({ verb }: Pick<KubeAttributes, 'verb'>): KubeQuery {
  return { kind: '', apiGroup: '', namespace: '', name: '', verb: { allow: '*', deny: [verb] } };
}

/** Whether the verb is about a collection. */
export function isListVerb(verb: string): boolean {
  return verb === 'list' || verb === 'watch' || verb === 'deletecollection';
}

/** Refuses a request about a resource or path. */
export function refuse(
  { policy, request }: DecisionContext,
  code: DenyCode,
  missing: MissingPiece,
  hint: string,
): KubeDeny {
  const considered = policy.roleNames.join(', ') || 'none';
  const message = resourceMessage(policy.user.name, request, `${hint} (roles considered: ${considered})`);
  return forbidden({ code, missing, message, rolesConsidered: policy.roleNames });
}

function decideObject(context: DecisionContext, query: KubeQuery): AllowedScope | KubeDeny {
  const { onCluster, request } = context;
  if (onCluster.denies(query)) return refuseDenied(context);
  if (isSelfReview(request)) return { roles: onCluster.roles };
  const roles = onCluster.roles.filter((role) => role.allow.matches(query));
  return roles.length > 0 ? { roles } : refuseUnmatched(context, query);
}

function decideList(context: DecisionContext, query: KubeQuery): AllowedScope | KubeDeny {
  const scope = context.onCluster.listScope(query);
  if (scope.isDenied) return refuseDenied(context);
  return scope.roles.length > 0 ? scope : refuseUnmatched(context, query);
}

/** Paths beyond discovery, version and health show the API server's inside: a rule for everything is needed. */
function decidePath(context: DecisionContext): AllowedScope | KubeDeny {
  const { onCluster, request } = context;
  if (isOpenPath(request)) return { roles: onCluster.roles };
  const query = pathQuery(request);
  if (onCluster.denies(query)) return refuseDenied(context);
  const roles = onCluster.roles.filter((role) => role.allow.matches(query));
  if (roles.length > 0) return { roles };
  const hint = 'Only a rule of "kubernetes_resources" for every kind with verbs ["*"] allows this path';
  return refuse(context, 'access.path_not_allowed', 'resource', hint);
}

function refuseDenied(context: DecisionContext): KubeDeny {
  const hint = 'A deny rule of "kubernetes_resources" in one of your Teleport roles forbids it';
  return refuse(context, 'access.resource_denied', 'resource', hint);
}

function refuseUnmatched(context: DecisionContext, query: KubeQuery): KubeDeny {
  const { onCluster, request } = context;
  const what = query.apiGroup === '' ? query.kind : `${query.kind}.${query.apiGroup}`;
  if (onCluster.roles.some((role) => role.allow.matchesSomeVerb(query))) {
    const verb = query.verb.allow;
    const hint = `Ask your Teleport admin to add the verb "${verb}" for ${what} to "kubernetes_resources" of your role`;
    return refuse(context, 'access.verb_not_allowed', 'verb', hint);
  }
  const place = request.namespace === '' ? '' : ` in namespace "${request.namespace}"`;
  const hint = `Ask your Teleport admin to ensure that your Teleport role includes ${what}${place} in "kubernetes_resources"`;
  return refuse(context, 'access.resource_not_allowed', 'resource', hint);
}

/** As whom an allowed request runs, or the refusal: nobody, or not whom it asked to be. */
export function runAs(
  { user, roleNames }: CompiledPolicy,
  onCluster: ClusterPolicy,
  { roles, filter }: AllowedScope,
  asked: ImpersonationRequest,
): KubeDecision {
  const principals = onCluster.principals(roles);
  if (principals.users.length === 0 && principals.groups.length === 0) return noPrincipals(roleNames);
  const chosen = impersonate(user.name, principals, asked);
  if (!chosen.ok) {
    const { code, message } = chosen;
    return forbidden({ code, missing: 'impersonation', message, rolesConsidered: roleNames });
  }
  const { kubeUser, kubeGroups } = chosen;
  const names = roles.map((role) => role.name);
  return { allowed: true, kubeUser, kubeGroups, ...(filter ? { rules: filter } : {}), roles: names };
}
