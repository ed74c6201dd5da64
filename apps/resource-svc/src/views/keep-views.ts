import {
  type StoredEvent,
  ViewClosed,
  ViewOpened,
  ResourceDeleted,
  ResourceUpserted,
} from '@postern/contracts';
import { type Bus, eventStreamName } from '@postern/bus';
import { type Clock, failureKinds, toAppError } from '@postern/core';
import type { EventStore } from '@postern/event-store';
import type { Telemetry } from '@postern/telemetry';
import type { ResourceDb } from '../database.ts';
import { matcherPorts, seedRows } from './matcher-ports.ts';
import { ViewMatcher } from './view-matcher.ts';
import { findView, listViews, markAllUnfilled, markFilled } from './view-table.ts';

/** What the matcher runs on. */
export interface KeepViewsDeps {
  readonly store: EventStore<ResourceDb>;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/**
 * Keeps every open view until the signal: first compares them all with what the database holds, then follows the events.
 *
 * The events only say that something changed and to what. What was missed while nobody was here is found by comparing, so
 * that neither the place in the feed nor an event that comes late or twice decides whether a view is right.
 */
export async function keepViews(deps: KeepViewsDeps, signal: AbortSignal): Promise<void> {
  const { bus, store, telemetry } = deps;
  const matcher = new ViewMatcher(matcherPorts(deps));
  const serially = makeSerial();
  const over = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => over.resolve(), { once: true });
  await compareAll(deps, matcher);
  telemetry.log.info('the views are kept', { views: matcher.hashes.size });
  const stopWatching = bus.onReconnect(
    () => void serially(() => compareAll(deps, matcher)).catch(over.reject),
  );
  await using _consumption = bus.consumeBatches({
    stream: eventStreamName(store.context),
    durable: 'resource__views',
    maxBatch: 200,
    handler: (messages) =>
      serially(async () => {
        for (const message of messages) await take(deps, matcher, message.event());
      }).catch((error: unknown) => {
        // What does not pass by itself would be given up; starting over compares everything instead.
        if (!isPassing(error)) over.reject(error);
        throw error;
      }),
  });
  await over.promise.finally(stopWatching);
}

function isPassing(error: unknown): boolean {
  return failureKinds[toAppError(error).kind].consumer === 'delay';
}

/** Makes every view whole again. Until one is, nobody is told what it holds. */
async function compareAll({ store, clock }: KeepViewsDeps, matcher: ViewMatcher): Promise<void> {
  await markAllUnfilled(store.db);
  const views = await listViews(store.db);
  for (const { hash, selector } of views) matcher.open(hash, selector);
  matcher.seed(await seedRows(store.db, clock()));
  for (const { hash } of views) {
    await matcher.reconcile(hash);
    await markFilled(store.db, hash, clock());
  }
}

async function take(deps: KeepViewsDeps, matcher: ViewMatcher, event: StoredEvent): Promise<void> {
  const { version } = event;
  switch (event.type) {
    case ResourceUpserted.type: {
      const { kind, id, resource } = ResourceUpserted.read(event);
      return matcher.apply({ kind, id, version, doc: resource });
    }
    case ResourceDeleted.type: {
      const { kind, id } = ResourceDeleted.read(event);
      return matcher.apply({ kind, id, version });
    }
    case ViewOpened.type:
      return settle(deps, matcher, ViewOpened.read(event).hash);
    case ViewClosed.type:
      return settle(deps, matcher, ViewClosed.read(event).hash);
  }
}

/** Opens or closes a view as its row says now: the event may be an old one that was delivered again. */
async function settle({ store, clock }: KeepViewsDeps, matcher: ViewMatcher, hash: string): Promise<void> {
  const view = await findView(store.db, hash);
  if (!view) return matcher.close(hash);
  if (view.isFilled && matcher.hashes.has(hash)) return;
  matcher.open(hash, view.selector);
  await matcher.reconcile(hash);
  await markFilled(store.db, hash, clock());
}

/** Runs one piece of work after the other, in the order of asking. */
function makeSerial(): (work: () => Promise<void>) => Promise<void> {
  let last: Promise<void> = Promise.resolve();
  return (work) => {
    const next = last.then(work);
    last = next.catch(() => {});
    return next;
  };
}
