import type {
  EventsPage,
  EventsQuery,
  EventView,
  ParkedMessageDetail,
  ParkedMessagesReply,
  ParkedMessageView,
} from '@postern/contracts';
import { isPlainObject, uuidv7 } from '@postern/core';
import { UnreadableAnswer } from './resources.ts';
import type { Transport } from './transport.ts';

/** A service that records events. */
export type EventService = 'join' | 'resource' | 'inventory';

/** The events that the services record, and the messages that their consumers could not handle. */
export interface EventsApi {
  /** The next events. Ends early, with an error, when the signal says so. */
  page(service: EventService, query: EventsQuery, signal?: AbortSignal): Promise<EventsPage>;
  parked(service: EventService, options?: { readonly consumer?: string }): Promise<ParkedMessagesReply>;
  findParked(service: EventService, id: string): Promise<ParkedMessageDetail>;
  retry(service: EventService, id: string): Promise<void>;
  /** Tries everything again that a consumer has parked. */
  retryAll(service: EventService, consumer: string): Promise<void>;
  drop(service: EventService, id: string, reason: string): Promise<void>;
}

export type { EventsPage, EventView, ParkedMessageDetail, ParkedMessageView };

/** Calls through a transport. */
export function eventsApi(transport: () => Promise<Transport>): EventsApi {
  const send: Transport['send'] = async (call) => (await transport()).send(call);
  const command = () => ({ headers: { 'postern-command-id': uuidv7() } });
  return {
    async page(service, query, signal) {
      const path = pathOf(service, '', { ...query });
      const { body } = await send({ method: 'GET', path, ...(signal ? { signal } : {}) });
      return checked<EventsPage>(body, 'events', ['events', 'next', 'isCurrent']);
    },
    async parked(service, { consumer } = {}) {
      const { body } = await send({ method: 'GET', path: pathOf(service, '/parked', { consumer }) });
      return checked<ParkedMessagesReply>(body, 'parked messages', ['parked', 'hasMore']);
    },
    async findParked(service, id) {
      const { body } = await send({
        method: 'GET',
        path: pathOf(service, `/parked/${encodeURIComponent(id)}`),
      });
      return checked<ParkedMessageDetail>(body, 'a parked message', ['id', 'consumer', 'body']);
    },
    async retry(service, id) {
      const path = pathOf(service, `/parked/${encodeURIComponent(id)}/retry`);
      await send({ method: 'POST', path, ...command() });
    },
    async retryAll(service, consumer) {
      await send({ method: 'POST', path: pathOf(service, '/parked/retry', { consumer }), ...command() });
    },
    async drop(service, id, reason) {
      const path = pathOf(service, `/parked/${encodeURIComponent(id)}`, { reason });
      await send({ method: 'DELETE', path, ...command() });
    },
  };
}

function pathOf(
  service: EventService,
  tail: string,
  query: Readonly<Record<string, string | undefined>> = {},
): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const text = given.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
  return `/v1/events/${service}${tail}${text === '' ? '' : `?${text}`}`;
}

function checked<T>(body: unknown, what: string, fields: readonly string[]): T {
  if (!isPlainObject(body) || fields.some((field) => body[field] === undefined)) throw UnreadableAnswer(what);
  return body as T;
}
