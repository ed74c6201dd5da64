import {
  DropParkedQuery,
  type EventContext,
  EventsPage,
  EventsQuery,
  ParkedMessageDetail,
  ParkedMessagesReply,
} from '@postern/contracts';
import { dropParked, findParked, listParked, NotParked } from '@postern/event-store';
import { type AllowRule, type Route, route } from '@postern/http';
import { spiffeId } from '@postern/identity';
import { Type } from 'typebox';
import type { EventDesk } from './event-desk.ts';
import { readEvents } from './read-events.ts';
import { shownParked, shownParkedWhole } from './shown-parked.ts';

/** How a service offers its events. */
export interface EventRoutesOptions<Deps> {
  readonly context: EventContext;
  /** The service's own rule of who has a verb on the kind `event`. */
  readonly may: (verb: 'list' | 'read' | 'update' | 'delete') => AllowRule<Deps>;
  readonly desk: (deps: Deps) => EventDesk;
}

const IdParams = Type.Object({
  id: Type.String({ pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' }),
});
const ListQuery = Type.Object({ consumer: Type.Optional(Type.String({ maxLength: 100 })) });
const maxListed = 500;

/** What people may do with the events of a service and with the messages that its consumers could not handle. */
export function eventRoutes<Deps>(options: EventRoutesOptions<Deps>): readonly Route<Deps>[] {
  return [
    tail(options),
    listOfParked(options),
    oneParked(options),
    retryParked(options),
    retryAllParked(options),
    dropOfParked(options),
  ];
}

function tail<Deps>({ context, may, desk }: EventRoutesOptions<Deps>): Route<Deps> {
  return route<Deps>()({
    method: 'GET',
    url: `/v1/events/${context}`,
    allow: may('read'),
    query: EventsQuery,
    reply: EventsPage,
    handle: (deps, { query }) => readEvents(desk(deps), context, query),
  });
}

function listOfParked<Deps>({ context, may, desk }: EventRoutesOptions<Deps>): Route<Deps> {
  return route<Deps>()({
    method: 'GET',
    url: `/v1/events/${context}/parked`,
    allow: may('list'),
    query: ListQuery,
    reply: ParkedMessagesReply,
    async handle(deps, { query: { consumer } }) {
      const rows = await listParked(desk(deps).store.db, { consumer, limit: maxListed + 1 });
      return { parked: rows.slice(0, maxListed).map(shownParked), hasMore: rows.length > maxListed };
    },
  });
}

function oneParked<Deps>({ context, may, desk }: EventRoutesOptions<Deps>): Route<Deps> {
  return route<Deps>()({
    method: 'GET',
    url: `/v1/events/${context}/parked/:id`,
    allow: may('read'),
    params: IdParams,
    reply: ParkedMessageDetail,
    async handle(deps, { params: { id } }) {
      const row = await findParked(desk(deps).store.db, id);
      if (!row) throw NotParked(id);
      return shownParkedWhole(context, row);
    },
  });
}

function retryParked<Deps>({ context, may, desk }: EventRoutesOptions<Deps>): Route<Deps> {
  return route<Deps>()({
    method: 'POST',
    url: `/v1/events/${context}/parked/:id/retry`,
    allow: may('update'),
    params: IdParams,
    status: 202,
    async handle(deps, { params: { id } }) {
      await desk(deps).parking.retry(id);
    },
  });
}

function retryAllParked<Deps>({ context, may, desk }: EventRoutesOptions<Deps>): Route<Deps> {
  return route<Deps>()({
    method: 'POST',
    url: `/v1/events/${context}/parked/retry`,
    allow: may('update'),
    query: Type.Object({ consumer: Type.String({ minLength: 1, maxLength: 100 }) }),
    status: 202,
    async handle(deps, { query: { consumer } }) {
      await desk(deps).parking.retryAll(consumer);
    },
  });
}

function dropOfParked<Deps>({ context, may, desk }: EventRoutesOptions<Deps>): Route<Deps> {
  return route<Deps>()({
    method: 'DELETE',
    url: `/v1/events/${context}/parked/:id`,
    allow: may('delete'),
    params: IdParams,
    query: DropParkedQuery,
    async handle(deps, { params: { id }, query: { reason }, principal, request: { commandId } }) {
      await dropParked(desk(deps).store, { id, reason, actor: spiffeId(principal), commandId });
    },
  });
}
