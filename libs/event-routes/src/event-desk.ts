import type { Bus } from '@postern/bus';
import { failure } from '@postern/core';
import type { EventStore, Parking } from '@postern/event-store';

/** Too many people wait for events of one service at once. */
const TooManyReaders = failure(
  'resource_exhausted',
  'events.too_many_readers',
  () => 'too many wait for events at the moment; try again later',
);

const maxWaiting = 100;

/** What the operations on events of one service work with. */
export interface EventDesk {
  readonly store: EventStore<never>;
  readonly bus: Bus;
  readonly parking: Parking<never>;
  /** Aborted when the service ends: nobody waits longer. */
  readonly closing: AbortSignal;
  /** Takes one of the places of those who wait, until disposed. */
  wait(): Disposable;
  close(): void;
}

/** Opens it; close it before the listener, which would wait for those who wait. */
export function openEventDesk<Db>(deps: {
  readonly store: EventStore<Db>;
  readonly bus: Bus;
  readonly parking: Parking<Db>;
}): EventDesk {
  const closing = new AbortController();
  let waiting = 0;
  const { store, bus, parking } = deps;
  return {
    // Tables are the service's own and never looked at here.
    store: store as unknown as EventStore<never>,
    bus,
    parking: parking as unknown as Parking<never>,
    closing: closing.signal,
    wait() {
      if (waiting >= maxWaiting) throw TooManyReaders();
      waiting += 1;
      return { [Symbol.dispose]: () => void (waiting -= 1) };
    },
    close: () => closing.abort(),
  };
}
