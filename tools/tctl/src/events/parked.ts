import { AppError, failure } from '@postern/core';
import type { EventsApi, EventService, ParkedMessageDetail, ParkedMessageView } from '@postern/client';
import { eventServices } from './services.ts';

const NoSuchMessage = failure(
  'not_found',
  'tctl.no_such_parked_message',
  (id: string) =>
    `no service has a parked message ${id}: it was handled or dropped; see tctl events parked ls`,
);

/** A parked message and the service that has it. */
export interface FoundMessage {
  readonly service: EventService;
  readonly message: ParkedMessageDetail;
}

/** Whichever service has it. */
export async function findParked(events: EventsApi, id: string): Promise<FoundMessage> {
  for (const service of eventServices) {
    const message = await unlessAbsent(events.findParked(service, id));
    if (message) return { service, message };
  }
  throw NoSuchMessage(id);
}

/** Nothing where there is nothing of that name. */
export async function unlessAbsent<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof AppError && error.kind === 'not_found') return undefined;
    throw error;
  }
}

/** What one service has parked. */
export interface ServiceParked {
  readonly service: EventService;
  readonly parked: readonly ParkedMessageView[];
  readonly hasMore: boolean;
}

/** What all services have parked; of one that cannot be reached the error, since silence would look like nothing. */
export async function listParked(
  events: EventsApi,
  consumer: string | undefined,
): Promise<{ readonly lists: readonly ServiceParked[]; readonly failed: readonly unknown[] }> {
  const options = consumer === undefined ? {} : { consumer };
  const results = await Promise.allSettled(
    eventServices.map(async (service) => ({ service, ...(await events.parked(service, options)) })),
  );
  return {
    lists: results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])),
    failed: results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : [])),
  };
}
