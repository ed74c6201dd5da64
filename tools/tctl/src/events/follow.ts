import type { EventsApi, EventService, EventView } from '@postern/client';
import { AppError, delay, failureKinds, messageOf } from '@postern/core';
import { TimeOrder } from './merge.ts';
import { eventServices } from './services.ts';

/** What to follow and where it goes. */
export interface Following {
  readonly events: EventsApi;
  readonly query: { readonly type?: string; readonly subject?: string; readonly since?: string };
  /** Ends it, as a person does who has seen enough. */
  readonly signal: AbortSignal;
  readonly emit: (event: EventView) => void;
  /** Tells a person what goes on. */
  readonly note: (text: string) => void;
}

const waitSeconds = '20';
const longestPauseMs = 5_000;
const maxHeld = 5_000;

/**
 * Follows the events of all services until the signal. The place in each service's log is kept here, so that a service, the
 * proxy or the bus may restart and nothing is missed or shown twice.
 */
export async function followEvents(following: Following): Promise<void> {
  const failed = new AbortController();
  const signal = AbortSignal.any([following.signal, failed.signal]);
  const order = new TimeOrder(eventServices, following.emit);
  const runs = eventServices.map(async (service) => {
    try {
      await followOne({ ...following, signal }, service, order);
    } catch (error) {
      failed.abort();
      throw error;
    }
  });
  const results = await Promise.allSettled(runs);
  const first = results.find((result) => result.status === 'rejected');
  if (first) throw first.reason;
}

async function followOne(following: Following, service: EventService, order: TimeOrder): Promise<void> {
  const { events, query, signal, note } = following;
  const { since, ...filter } = query;
  let place: { readonly after?: string; readonly since?: string } = since === undefined ? {} : { since };
  for (let failures = 0, isCurrent = false; !signal.aborted;) {
    try {
      const wait = isCurrent ? { wait: waitSeconds } : {};
      const page = await events.page(service, { ...filter, ...place, ...wait }, signal);
      if (failures > 0) note(`${service}: events come again`);
      [failures, isCurrent, place] = [0, page.isCurrent, { after: page.next }];
      order.add(service, page.events, page.isCurrent);
    } catch (error) {
      if (signal.aborted) return;
      if (!isPassing(error)) throw error;
      if (failures === 0) note(`${service}: ${messageOf(error)}; trying again`);
      failures += 1;
      order.giveUpOn(service);
      await pause(Math.min(250 * 2 ** failures, longestPauseMs), signal);
    }
    while (order.heldOf(service) > maxHeld && !signal.aborted) await pause(100, signal);
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, signal).catch(() => {});
}

/** What a restart of the other side looks like; anything else would fail again. */
function isPassing(error: unknown): boolean {
  return error instanceof AppError && failureKinds[error.kind].consumer === 'delay';
}
