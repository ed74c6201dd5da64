import { type ReviewedAttributes, reviewSelfSubjectAccess } from '@postern/access';
import { isPlainObject } from '@postern/core';
import type { Answer } from '../listen/exchange.ts';
import { sendText } from '../listen/refuse.ts';
import type { Authorization } from '../request/authorize.ts';
import type { ClientHeaders } from '../request/client-headers.ts';
import { bytesField, protobufObject, textField } from '../request/protobuf.ts';
import type { RequestInfo } from '../request/request-info.ts';
import type { AccessOf } from './access-policy.ts';

/** Answers `kubectl auth can-i` for what Postern's own rules forbid; the API server answers the rest. */
export interface AccessReviews {
  /** The whole answer, or undefined when the API server has the last word. */
  answer(question: Authorization, body: Buffer): string | undefined;
  send(answer: Answer, body: string): void;
}

/** Whether a request is a review whose content can be read. In another encoding it goes on as it is. */
export function isAccessReview(info: RequestInfo, headers: ClientHeaders): boolean {
  return (
    info.resource === 'selfsubjectaccessreviews' &&
    info.apiGroup === 'authorization.k8s.io' &&
    info.verb === 'create' &&
    info.subresource === '' &&
    /^application\/(?:json|vnd\.kubernetes\.protobuf)\b/i.test(headers.contentType ?? 'application/json')
  );
}

export function accessReviews(accessOf: AccessOf): AccessReviews {
  return {
    answer: ({ principal, cluster, headers, info }, body) => {
      const spec = tryRead(() => (isProtobuf(headers) ? protobufSpec(body) : jsonSpec(body)));
      const asked = spec && askedFor(spec);
      if (!asked) return undefined;
      const decision = reviewSelfSubjectAccess({ ...accessOf(principal), cluster }, asked);
      if (decision.allowed) return undefined;
      const type = { kind: 'SelfSubjectAccessReview', apiVersion: `${info.apiGroup}/${info.apiVersion}` };
      const status = { allowed: false, denied: true, reason: decision.reason };
      return JSON.stringify({ ...type, metadata: {}, spec, status });
    },
    send: (answer, body) => sendText(answer, 200, body, ['content-type', 'application/json']),
  };
}

type Spec = Record<string, unknown>;

function isProtobuf({ contentType }: ClientHeaders): boolean {
  return contentType !== undefined && /protobuf/i.test(contentType);
}

function tryRead(read: () => Spec | undefined): Spec | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function jsonSpec(body: Buffer): Spec | undefined {
  const review: unknown = JSON.parse(body.toString('utf8'));
  return isPlainObject(review) && isPlainObject(review['spec']) ? review['spec'] : undefined;
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

function protobufSpec(body: Buffer): Spec | undefined {
  const spec = bytesField(protobufObject(body), 2);
  const resource = spec && bytesField(spec, 1);
  const path = spec && bytesField(spec, 2);
  if (resource) return { resourceAttributes: texts(resource, resourceFields) };
  return path && { nonResourceAttributes: texts(path, pathFields) };
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
