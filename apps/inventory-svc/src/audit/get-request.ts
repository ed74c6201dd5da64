import { AuditedRequest, type DataOf, KubeRequestAudited } from '@postern/contracts';
import { failure } from '@postern/core';
import { route } from '@postern/http';
import { Type } from 'typebox';
import { may, type ServiceDeps } from '../service-deps.ts';

const RequestNotFound = failure(
  'not_found',
  'inventory.request_not_found',
  (id: string) =>
    `no request with the id ${JSON.stringify(id)} was recorded; a request is recorded when it has been answered`,
);

/** Ids are made by edges; more than one record of an id is an edge's mistake or lie. */
const maxClaims = 1000;

export const getRequest = route<ServiceDeps>()({
  method: 'GET',
  url: '/v1/audit/requests/:id',
  allow: may('read', 'event'),
  params: Type.Object({ id: Type.String({ pattern: '^[A-Za-z0-9-]{1,64}$' }) }),
  reply: AuditedRequest,
  async handle({ db, store }, { params: { id } }) {
    const rows = await db
      .selectFrom('kube_request')
      .select(['event_id', 'at'])
      .where('request_id', '=', id)
      .limit(maxClaims)
      .execute();
    // The one recorded first, whatever time others claim: nobody can put another one in its place afterwards.
    const [event] = await store.find(rows.map(({ event_id: eventId }) => eventId));
    const row = rows.find(({ event_id: eventId }) => eventId === event?.id);
    if (!row || !event) throw RequestNotFound(id);
    const request = KubeRequestAudited.read(event);
    const ended = request.isStream ? await endingOf(db, request) : undefined;
    return { at: row.at.toISOString(), request, ...(ended ? { ended } : {}) };
  },
});

/** Only the edge that recorded the request knows how it ended. */
async function endingOf(
  db: ServiceDeps['db'],
  { requestId, edge }: DataOf<typeof KubeRequestAudited>,
): Promise<AuditedRequest['ended']> {
  const row = await db
    .selectFrom('kube_ending')
    .selectAll()
    .where('request_id', '=', requestId)
    .where('edge', '=', edge)
    .orderBy('at')
    .executeTakeFirst();
  if (!row) return undefined;
  return {
    at: row.at.toISOString(),
    endedBy: endings.find((known) => known === row.ended_by) ?? 'unknown',
    reason: row.reason,
    durationMs: row.duration_ms,
    bytesIn: row.bytes_in,
    bytesOut: row.bytes_out,
  };
}

const endings = ['client', 'upstream', 'cut', 'unknown'] as const;
