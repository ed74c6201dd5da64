import { AuditedRequestsQuery, AuditedRequestsReply } from '@postern/contracts';
import { failure, isUuid } from '@postern/core';
import { route } from '@postern/http';
import { may, type ServiceDeps } from '../service-deps.ts';
import { findRequests } from './find-requests.ts';

const InvalidTime = failure(
  'invalid_argument',
  'inventory.invalid_time',
  () => 'since must be a time like 2026-01-31T12:00:00Z',
);

const InvalidPlace = failure(
  'invalid_argument',
  'inventory.invalid_place',
  () => 'before must be what a page of this list gave as next',
);

const defaultLimit = 100;
const maxLimit = 1000;

export const listRequests = route<ServiceDeps>()({
  method: 'GET',
  url: '/v1/audit/requests',
  allow: may('list', 'event'),
  query: AuditedRequestsQuery,
  reply: AuditedRequestsReply,
  async handle({ db }, { query }) {
    const { user, cluster, decision, since, before } = query;
    const limit = Math.min(Number(query.limit ?? defaultLimit), maxLimit);
    const rows = await findRequests(db, {
      ...(user === undefined ? {} : { user }),
      ...(cluster === undefined ? {} : { cluster }),
      ...(decision === undefined ? {} : { decision }),
      ...(since === undefined ? {} : { since: timeOf(since) }),
      ...(before === undefined ? {} : { before: placeOf(before) }),
      limit: limit + 1,
    });
    const shown = rows.slice(0, limit);
    const last = rows.length > limit ? shown.at(-1) : undefined;
    return { requests: shown.map(({ request }) => request), next: last ? last.place : '' };
  },
});

/** A time of a query. */
export function timeOf(text: string): Date {
  const at = new Date(text);
  if (!/^\d{4}-\d\d-\d\dT/.test(text) || Number.isNaN(at.getTime())) throw InvalidTime();
  return at;
}

/** A place that a page gave as its next. */
export function placeOf(text: string): { readonly at: string; readonly id: string } {
  const [at = '', id = ''] = text.split('_');
  if (Number.isNaN(Date.parse(at)) || !/^\d{4}-\d\d-\d\dT/.test(at) || !isUuid(id)) throw InvalidPlace();
  return { at, id };
}
