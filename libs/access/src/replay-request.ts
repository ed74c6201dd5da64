import type { DataOf, KubeRequestAudited, Role } from '@postern/contracts';
import { isSelfReview } from './api-paths.ts';
import { decideKubeAccess, type KubeAccessRequest } from './decide-access.ts';
import { explainKubeAccess, type KubeExplanation } from './explain-access.ts';
import type {
  AccessLock,
  AccessUser,
  ImpersonationRequest,
  KubeAllow,
  KubeAttributes,
  KubeDecision,
} from './types.ts';

/** A request as its audit record has it. */
export type RecordedRequest = DataOf<typeof KubeRequestAudited>;

/** A user and the roles that count, at some moment. */
export interface ReplayPolicy {
  readonly user: AccessUser;
  readonly roles: readonly Role[];
  /** Labels to decide by instead of those recorded. */
  readonly clusterLabels?: Readonly<Record<string, string>>;
  /** The lock that was on the request at that moment. */
  readonly lock?: AccessLock | undefined;
}

/** What deciding a recorded request again comes to. */
export interface Replay {
  readonly explanation: KubeExplanation;
  /** As which it would end: by the decision, or by what the edge refuses beyond that. */
  readonly outcome: 'allow' | 'deny';
  /** Code of the refusal, or empty. */
  readonly code: string;
  /** In what it differs from the record. */
  readonly differences: readonly ('decision' | 'reason' | 'kubeUser' | 'kubeGroups' | 'roles')[];
}

/**
 * Decides a recorded request again. Undefined where nothing about roles was decided, because it was refused before: there was
 * no such cluster, no policy, no request that could be read.
 */
export function replayRequest(recorded: RecordedRequest, policy: ReplayPolicy): Replay | undefined {
  const labels = policy.clusterLabels ?? recorded.clusterLabels;
  if (!labels || !wasDecided(recorded)) return undefined;
  const asked: KubeAccessRequest = {
    user: policy.user,
    roles: policy.roles,
    cluster: { name: recorded.cluster, labels },
    request: attributesOf(recorded),
    impersonate: impersonationOf(recorded),
    // Until locks had a refusal of their own, a locked user was refused as one without roles.
    lock: recorded.reason === 'access.labels_do_not_match' ? undefined : policy.lock,
  };
  const explanation = explainKubeAccess(asked);
  const code = refusalOf(recorded, asked, explanation.decision);
  const outcome = code === '' ? 'allow' : 'deny';
  return { explanation, outcome, code, differences: differences(recorded, explanation.decision, code) };
}

/** Refusals that come from the roles, or that the edge adds to what they allow. */
function wasDecided({ decision, reason, verb }: RecordedRequest): boolean {
  if (verb === '') return false;
  return decision === 'allow' || reason.startsWith('access.') || edgeRefusals.has(reason);
}

const limitedCollection = 'kube.deletecollection_limited';
const mayCreate = 'kube.update_may_create';
const edgeRefusals: ReadonlySet<string> = new Set([limitedCollection, mayCreate]);

function attributesOf(recorded: RecordedRequest): KubeAttributes {
  const { apiGroup, apiVersion, resource, subresource, namespace, path, decided } = recorded;
  const { verb, name } = decided ?? recorded;
  return {
    isResourceRequest: resource !== '',
    verb,
    apiGroup,
    apiVersion,
    resource,
    subresource,
    namespace,
    name,
    path,
    watch: verb === 'watch',
  };
}

function impersonationOf({ impersonate: { users, groups } }: RecordedRequest): ImpersonationRequest {
  return { ...(users.length > 0 ? { user: users } : {}), ...(groups.length > 0 ? { groups } : {}) };
}

/** As the edge refuses: a collection that is allowed in part, and a PUT that may create where creating is not allowed. */
function refusalOf(recorded: RecordedRequest, asked: KubeAccessRequest, decision: KubeDecision): string {
  if (!decision.allowed) return decision.code;
  if (asked.request.verb === 'deletecollection' && decision.rules) return limitedCollection;
  if (recorded.reason !== mayCreate) return '';
  return decideKubeAccess({ ...asked, request: { ...asked.request, verb: 'create' } }).allowed
    ? ''
    : mayCreate;
}

function differences(recorded: RecordedRequest, decision: KubeDecision, code: string): Replay['differences'] {
  if ((recorded.decision === 'allow') !== (code === '')) return ['decision'];
  if (recorded.decision === 'deny') return recorded.reason === code ? [] : ['reason'];
  const granted = decision as KubeAllow;
  return [
    ...(recorded.kubeUser === granted.kubeUser ? [] : (['kubeUser'] as const)),
    ...(isAsGranted(recorded, granted) ? [] : (['kubeGroups'] as const)),
    ...(recorded.roles.length === 0 || isSame(recorded.roles, granted.roles) ? [] : (['roles'] as const)),
  ];
}

/** A review of oneself acts as what it asks about would, which may be with fewer groups. */
function isAsGranted(recorded: RecordedRequest, { kubeGroups }: KubeAllow): boolean {
  if (isSelfReview(attributesOf(recorded)))
    return recorded.kubeGroups.every((group) => kubeGroups.includes(group));
  return isSame(recorded.kubeGroups, kubeGroups);
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, index) => text === b[index]);
}
