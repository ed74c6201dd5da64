import type { LockTarget, RecordingMode, Traits } from '@postern/contracts';
import type { ResourceFilter } from './resource-filter.ts';

/** Who asks. Treated as immutable: compiled policies are remembered by this object. */
export interface AccessUser {
  readonly name: string;
  readonly traits: Traits;
}

/** The cluster asked for. `labels` are the operator's plus the agent's, static keys winning. */
export interface AccessCluster {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** One request to a Kubernetes API server, parsed exactly as the API server's RequestInfo does. */
export interface KubeAttributes {
  readonly isResourceRequest: boolean;
  /** RequestInfo's verb: get, list, watch, create, … for resources, the lower-case HTTP method for other paths. */
  readonly verb: string;
  readonly apiGroup: string;
  readonly apiVersion: string;
  /** Plural, without the subresource. */
  readonly resource: string;
  /** Empty, or what follows the name: `exec`, `log`, `proxy`, … */
  readonly subresource: string;
  readonly namespace: string;
  /** From the path, from `fieldSelector=metadata.name`, or from the body of a create; else empty. */
  readonly name: string;
  /** The canonical path, for requests that are not about resources. */
  readonly path: string;
  readonly watch: boolean;
}

/** A lock that is on a request. */
export interface AccessLock {
  readonly target: LockTarget;
  /** For the user; empty where the operator gave none. */
  readonly message: string;
}

/** Values of the client's Impersonate-User and Impersonate-Group headers; absent where it sent none. */
export interface ImpersonationRequest {
  readonly user?: readonly string[];
  readonly groups?: readonly string[];
}

/** What a refused request would have needed. */
export type MissingPiece = 'lock' | 'labels' | 'groups' | 'resource' | 'verb' | 'impersonation';

/** Stable codes of refusals; the audit record carries them. */
export type DenyCode =
  | 'access.locked'
  | 'access.cluster_denied'
  | 'access.labels_do_not_match'
  | 'access.no_principals'
  | 'access.resource_denied'
  | 'access.resource_not_allowed'
  | 'access.verb_not_allowed'
  | 'access.path_not_allowed'
  | 'access.impersonation_refused'
  | 'access.user_not_selectable'
  | 'access.reserved_user_name';

/** The request may be forwarded as this Kubernetes user with these groups. */
export interface KubeAllow {
  readonly allowed: true;
  readonly kubeUser: string;
  readonly kubeGroups: readonly string[];
  /** Present when the answer may hold objects that the user may not see, or a deletecollection may reach them. */
  readonly rules?: ResourceFilter;
  /** How the session that it opens is recorded; absent where it opens none. */
  readonly recording?: RecordingMode;
  /** Names of the roles that allowed it. */
  readonly roles: readonly string[];
}

/** The request is refused. `message` is for the user and fits a metav1.Status. */
export interface KubeDeny {
  readonly allowed: false;
  readonly code: DenyCode;
  readonly status: 403 | 404;
  readonly reason: 'Forbidden' | 'NotFound';
  readonly message: string;
  readonly missing: MissingPiece;
  readonly rolesConsidered: readonly string[];
}

/** The outcome of one access decision. */
export type KubeDecision = KubeAllow | KubeDeny;
