import { failureKinds } from '@postern/core';
import type { AccessCluster, AccessLock, DenyCode, KubeAttributes, KubeDeny, MissingPiece } from './types.ts';

interface Refusal {
  readonly code: DenyCode;
  readonly missing: MissingPiece;
  readonly message: string;
  readonly rolesConsidered: readonly string[];
}

/** A refusal that says 403 Forbidden. */
export function forbidden(refusal: Refusal): KubeDeny {
  const { http, reason } = failureKinds.permission_denied;
  return { allowed: false, status: http, reason, ...refusal };
}

const lockable: Readonly<Record<AccessLock['target']['field'], string>> = {
  user: 'user',
  role: 'role',
  session: 'session',
  server_id: 'agent',
  join_token: 'join token',
  kube_cluster: 'Kubernetes cluster',
};

/** What a lock is on, and what its author has to say to whoever it stops. */
export function lockText({ target: { field, value }, message }: AccessLock): string {
  const said = message === '' ? '' : `: ${message}`;
  return `${lockable[field]} ${JSON.stringify(value)} is locked${said}`;
}

/** A lock is on the user, a role, the session or the cluster: no role matters. */
export function locked(lock: AccessLock, rolesConsidered: readonly string[]): KubeDeny {
  const message = `access denied: ${lockText(lock)}`;
  return forbidden({ code: 'access.locked', missing: 'lock', message, rolesConsidered });
}

/** No role gives a Kubernetes user or group. The reference answers 404, and clients know its text. */
export function noPrincipals(rolesConsidered: readonly string[]): KubeDeny {
  const { http, reason } = failureKinds.not_found;
  const message =
    "Your user's Teleport role does not allow Kubernetes access." +
    ' Please ask cluster administrator to ensure your role has appropriate kubernetes_groups and kubernetes_users set.';
  return {
    allowed: false,
    status: http,
    reason,
    code: 'access.no_principals',
    missing: 'groups',
    message,
    rolesConsidered,
  };
}

/** No role selects the cluster. */
export function labelsDoNotMatch({ name }: AccessCluster, rolesConsidered: readonly string[]): KubeDeny {
  const message = `access to Kubernetes cluster ${JSON.stringify(name)} denied: kubernetes_labels of none of your roles match it`;
  return forbidden({ code: 'access.labels_do_not_match', missing: 'labels', message, rolesConsidered });
}

/** A role's deny side refuses the cluster. */
export function clusterDenied(
  { name }: AccessCluster,
  role: string,
  rolesConsidered: readonly string[],
): KubeDeny {
  const message = `access to Kubernetes cluster ${JSON.stringify(name)} denied by kubernetes_labels on the deny side of role ${JSON.stringify(role)}`;
  return forbidden({ code: 'access.cluster_denied', missing: 'labels', message, rolesConsidered });
}

/** A message in three lines: what Kubernetes itself would say, what to ask for, how to check. */
export function resourceMessage(userName: string, request: KubeAttributes, hint: string): string {
  return `${forbiddenLine(userName, request)}\n${hint}\nCheck by running: ${checkCommand(request)}`;
}

/** The first line of a refusal, in the shape of the API server's own. */
function forbiddenLine(userName: string, request: KubeAttributes): string {
  if (!request.isResourceRequest) {
    return `forbidden: User ${quoted(userName)} cannot ${request.verb} path ${quoted(request.path)}`;
  }
  const { resource, subresource, apiGroup, namespace, name, verb } = request;
  const type = apiGroup === '' ? resource : `${resource}.${apiGroup}`;
  const what = name === '' ? type : `${type} ${quoted(name)}`;
  const full = subresource === '' ? resource : `${resource}/${subresource}`;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace ${quoted(namespace)}`;
  const asked = `cannot ${verb} resource ${quoted(full)} in API group ${quoted(apiGroup)} ${where}`;
  return `${what} is forbidden: User ${quoted(userName)} ${asked}`;
}

function checkCommand({
  isResourceRequest,
  verb,
  resource,
  subresource,
  namespace,
  name,
  path,
  apiGroup,
}: KubeAttributes): string {
  if (!isResourceRequest) return `kubectl auth can-i ${verb} ${path}`;
  const type = apiGroup === '' ? resource : `${resource}.${apiGroup}`;
  const sub = subresource === '' ? '' : ` --subresource=${subresource}`;
  const scope = namespace === '' ? '' : ` --namespace ${namespace}`;
  return `kubectl auth can-i ${verb} ${name === '' ? type : `${type}/${name}`}${sub}${scope}`;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 300));
}
