import {
  intersectRules,
  type KubeAccessRequest,
  type KubeAllow,
  type ReviewedAttributes,
  reviewSelfSubjectAccess,
  reviewSelfSubjectRules,
  type RulesReview,
} from '@postern/access';
import { failure, isPlainObject } from '@postern/core';
import type { Authorization } from '../request/authorize.ts';
import type { ClientHeaders } from '../request/client-headers.ts';
import { bytesField, protobufObject, textField } from '../request/protobuf.ts';
import type { RequestInfo } from '../request/request-info.ts';
import type { AccessOf } from './access-policy.ts';

export const UnreadableReview = failure(
  'invalid_argument',
  'kube.unreadable_review',
  () =>
    'the review cannot be read, so that it could not be answered truly: send it as JSON or Kubernetes protobuf',
);

/** What becomes of a review of access: all that is here goes for it. */
export interface ReadReview {
  /** The whole answer: our own rules forbid what is asked about. */
  readonly answer?: string;
  /** As whom the API server is asked: as the request that is asked about would run. */
  readonly acts?: Pick<KubeAllow, 'kubeUser' | 'kubeGroups'>;
  /** Takes out of the API server's answer what our rules do not allow. */
  readonly rewrite?: (body: string) => string;
}

/** Makes `kubectl auth can-i` and `can-i --list` tell what our rules and the API server's allow both. */
export interface AccessReviews {
  read(question: Authorization, body: Buffer): ReadReview;
}

const kinds: Readonly<Record<string, 'access' | 'rules'>> = {
  selfsubjectaccessreviews: 'access',
  selfsubjectrulesreviews: 'rules',
};

/** Whether a request asks what the asker may do. */
export function isAccessReview(info: RequestInfo): boolean {
  return (
    info.apiGroup === 'authorization.k8s.io' &&
    info.verb === 'create' &&
    info.subresource === '' &&
    Object.hasOwn(kinds, info.resource)
  );
}

export function accessReviews(accessOf: AccessOf): AccessReviews {
  return {
    read: (question, body) => {
      const spec = specOf(question, body);
      const access = { ...accessOf(question.principal), cluster: question.cluster };
      return kinds[question.info.resource] === 'rules'
        ? rulesReview(access, spec)
        : accessReview({ ...access, impersonate: question.asked }, question.info, spec);
    },
  };
}

type Access = Omit<KubeAccessRequest, 'request'>;

function accessReview(access: Access, info: RequestInfo, spec: Spec): ReadReview {
  const asked = askedFor(spec);
  // The API server refuses such a review better than we could.
  if (!asked) return {};
  const decision = reviewSelfSubjectAccess(access, asked);
  if (decision.allowed) return { acts: decision };
  const type = { kind: 'SelfSubjectAccessReview', apiVersion: `${info.apiGroup}/${info.apiVersion}` };
  const status = { allowed: false, denied: true, reason: decision.reason };
  return { answer: JSON.stringify({ ...type, metadata: {}, spec, status }) };
}

function rulesReview(access: Access, { namespace }: Spec): ReadReview {
  const ours = reviewSelfSubjectRules(access, typeof namespace === 'string' ? namespace : '');
  return {
    rewrite: (body) => {
      const review = JSON.parse(body) as { readonly status?: Partial<RulesReview> };
      const theirs = { resourceRules: [], nonResourceRules: [], incomplete: false, ...review.status };
      return JSON.stringify({ ...review, status: intersectRules(ours, theirs) });
    },
  };
}

/** The review as JSON, which is the one form of it that is rewritten. */
export function asJson(headers: ClientHeaders): ClientHeaders {
  return { ...headers, accept: 'application/json', acceptsGzip: false };
}

type Spec = Record<string, unknown>;

function specOf({ info, headers }: Authorization, body: Buffer): Spec {
  const type = (headers.contentType ?? 'application/json').split(';', 1)[0]!.trim().toLowerCase();
  try {
    if (type === 'application/json') return jsonSpec(body);
    if (type === 'application/vnd.kubernetes.protobuf') return protobufSpec(body, kinds[info.resource]!);
  } catch (error) {
    throw UnreadableReview.from(error);
  }
  throw UnreadableReview();
}

function jsonSpec(body: Buffer): Spec {
  const review: unknown = JSON.parse(body.toString('utf8'));
  return isPlainObject(review) && isPlainObject(review['spec']) ? review['spec'] : {};
}

const resourceFields = {
  namespace: 1,
  verb: 2,
  group: 3,
  version: 4,
  resource: 5,
  subresource: 6,
  name: 7,
} as const;
const pathFields = { path: 1, verb: 2 } as const;

function protobufSpec(body: Buffer, kind: 'access' | 'rules'): Spec {
  const spec = bytesField(protobufObject(body), 2);
  if (!spec) return {};
  if (kind === 'rules') return { namespace: textField(spec, 1) };
  const resource = bytesField(spec, 1);
  if (resource) return { resourceAttributes: texts(resource, resourceFields) };
  const path = bytesField(spec, 2);
  return path ? { nonResourceAttributes: texts(path, pathFields) } : {};
}

function texts(message: Buffer, fields: Readonly<Record<string, number>>): Record<string, string> {
  const entries = Object.entries(fields).map(([name, field]): [string, string] => [
    name,
    textField(message, field),
  ]);
  return Object.fromEntries(entries.filter(([, text]) => text !== ''));
}

function askedFor({
  resourceAttributes: resource,
  nonResourceAttributes: path,
}: Spec): ReviewedAttributes | undefined {
  if (isPlainObject(resource) && areTexts(resource)) return { resource };
  return isPlainObject(path) && areTexts(path) ? { path } : undefined;
}

/** Selectors, which newer clients add, do not change what our rules say. */
function areTexts(attributes: Record<string, unknown>): boolean {
  return Object.entries(attributes).every(
    ([key, value]) => typeof value === 'string' || key.endsWith('Selector'),
  );
}
