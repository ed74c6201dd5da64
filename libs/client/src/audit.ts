import type {
  AuditedRequest,
  AuditedRequestRow,
  AuditedRequestsQuery,
  AuditedRequestsReply,
  PolicyAtQuery,
  PolicyAtReply,
} from '@postern/contracts';
import { isPlainObject } from '@postern/core';
import { UnreadableAnswer } from './resources.ts';

export type { AuditedRequest, AuditedRequestRow, PolicyAtReply };

/** What was asked of clusters, and the policy it was decided by. */
export interface AuditApi {
  /** The newest requests; `next` of the reply goes on with older ones. */
  requests(query?: AuditedRequestsQuery): Promise<AuditedRequestsReply>;
  /** Everything recorded of one request, by the id that the client was told. */
  request(id: string): Promise<AuditedRequest>;
  /** A user and the roles that counted at a moment; now, when none is given. */
  policyAt(query: PolicyAtQuery): Promise<PolicyAtReply>;
}

/** Calls through a function that reads a path. */
export function auditApi(get: (path: string) => Promise<unknown>): AuditApi {
  return {
    requests: async (query = {}) =>
      checked(await get(`/v1/audit/requests${textOf(query)}`), 'audited requests', ['requests', 'next']),
    request: async (id) =>
      checked(await get(`/v1/audit/requests/${encodeURIComponent(id)}`), 'an audited request', [
        'at',
        'request',
      ]),
    policyAt: async (query) =>
      checked(await get(`/v1/history/policy${textOf(query)}`), 'the policy', [
        'revision',
        'isExact',
        'user',
        'roles',
      ]),
  };
}

function textOf(query: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const text = given.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
  return text === '' ? '' : `?${text}`;
}

function checked<T>(body: unknown, what: string, fields: readonly string[]): T {
  if (!isPlainObject(body) || fields.some((field) => body[field] === undefined)) throw UnreadableAnswer(what);
  return body as T;
}
