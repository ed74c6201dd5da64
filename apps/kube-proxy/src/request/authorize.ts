import type {
  AccessCluster,
  ImpersonationRequest,
  KubeAllow,
  KubeAttributes,
  KubeDecision,
} from '@postern/access';
import { failure } from '@postern/core';
import type { Principal } from '@postern/identity';
import type { ClientHeaders } from './client-headers.ts';
import { attributesOf, type Decisions, refusalOf } from './decisions.ts';
import { objectIdentity } from './object-identity.ts';
import type { RequestInfo } from './request-info.ts';

export const UpdateMayCreate = failure(
  'permission_denied',
  'kube.update_may_create',
  (resource: string) =>
    `${resource} is forbidden: a PUT may create what does not exist, and your roles do not allow create; set metadata.uid to that of the object you read`,
);

/** A collection that holds more than the user may delete. */
export const CollectionNotLimited = failure(
  'permission_denied',
  'kube.deletecollection_limited',
  (resource: string) =>
    `${resource} is forbidden: your roles limit which ${resource} you may delete, so they cannot be deleted as a collection; delete them by name`,
);

/** A request to decide about, and what deciding may need. */
export interface Authorization {
  readonly principal: Principal;
  readonly cluster: AccessCluster;
  readonly info: RequestInfo;
  readonly headers: ClientHeaders;
  readonly asked: ImpersonationRequest;
  /** Whether a rule of the user denies some resources: then a create has to be decided by the name in its body. */
  readonly hasDenials: boolean;
  /** Told of each decision that counts; the last one stands. */
  readonly record: DecisionRecord;
}

/** Keeps what was decided, and about what. */
export interface DecisionRecord {
  decided(attributes: KubeAttributes, decision: KubeDecision): void;
}

/** What was decided, with the attributes it was decided by. */
export interface Authorized {
  readonly decision: KubeAllow;
  readonly attributes: KubeAttributes;
  /** As whom it acts, where that is less than the decision gives: a review acts as what it asks about would. */
  readonly acts?: Pick<KubeAllow, 'kubeUser' | 'kubeGroups'> | undefined;
}

/** The decision as it is granted and recorded. */
export function grantedDecision({ decision, acts }: Authorized): KubeAllow {
  return acts ? { ...decision, kubeUser: acts.kubeUser, kubeGroups: acts.kubeGroups } : decision;
}

/** Whether the decision needs to know what is in the body. */
export function needsBody(decisions: Decisions, request: Authorization): boolean {
  const { info, hasDenials } = request;
  if (!info.isResource || info.subresource !== '') return false;
  if (info.verb === 'create' && info.name === '')
    return hasDenials || !allows(decisions, request, attributesOf(info));
  return info.verb === 'update' && !allows(decisions, request, asCreate(info));
}

/** Decides, or throws the refusal. `body` is there when `needsBody` said so. */
export function authorize(
  decisions: Decisions,
  request: Authorization,
  body: Buffer | undefined,
): Authorized {
  const { info, headers } = request;
  const attributes = attributesOf(info);
  if (info.verb === 'create' && body) return authorizeCreate(decisions, request, body);
  const decision = decide(decisions, request, attributes);
  if (info.verb === 'deletecollection' && decision.rules) throw CollectionNotLimited(info.resource);
  // An apply creates what does not exist. The API server asks its own RBAC the same question.
  if (info.verb === 'patch' && isApply(headers)) decide(decisions, request, asCreate(info));
  if (info.verb === 'update' && body && objectIdentity(body, headers.contentType).uid === '') {
    throw UpdateMayCreate(info.resource);
  }
  return { decision, attributes };
}

/** Names the API server could generate; both must be allowed, so that no rule for one name is met by chance. */
const generatedSuffixes = ['bbbbb', 'z9z9z'];

function authorizeCreate(decisions: Decisions, request: Authorization, body: Buffer): Authorized {
  const { name, generateName } = objectIdentity(body, request.headers.contentType);
  const attributes = attributesOf(request.info);
  const names =
    name === '' && generateName !== '' ? generatedSuffixes.map((suffix) => generateName + suffix) : [name];
  const [first] = names
    .map((each) => ({ ...attributes, name: each }))
    .map((each) => ({
      decision: decide(decisions, request, each),
      attributes: each,
    }));
  return first!;
}

function decide(
  decisions: Decisions,
  { principal, cluster, asked, record }: Authorization,
  attributes: KubeAttributes,
): KubeAllow {
  const decision = decisions.decide({ principal, cluster, attributes, asked });
  record.decided(attributes, decision);
  if (!decision.allowed) throw refusalOf(decision);
  return decision;
}

function allows(
  decisions: Decisions,
  { principal, cluster, asked }: Authorization,
  attributes: KubeAttributes,
): boolean {
  return decisions.decide({ principal, cluster, attributes, asked }).allowed;
}

function asCreate(info: RequestInfo): KubeAttributes {
  return { ...attributesOf(info), verb: 'create' };
}

function isApply({ contentType }: ClientHeaders): boolean {
  return contentType !== undefined && /^\s*application\/apply-patch\+/i.test(contentType);
}
