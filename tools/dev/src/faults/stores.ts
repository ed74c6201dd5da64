import type { EventContext } from '@postern/contracts';
import { type EventStore, openEventStore } from '@postern/event-store';
import { silentTelemetry } from '@postern/telemetry';

/** The tables of every service's store that say whether anything is left to do. */
interface StoreTables {
  readonly es_outbox: { readonly seq: number };
  readonly es_parked: { readonly consumer: string; readonly error: string };
}

/** One service's store, as the checkers read it. */
export type CheckedStore = EventStore<StoreTables>;

/** The contexts that have a store. */
export const contexts = ['join', 'resource', 'inventory'] as const satisfies readonly EventContext[];

/** Opens the store of a service. */
export function openCheckedStore(url: string, context: (typeof contexts)[number]): Promise<CheckedStore> {
  return openEventStore<StoreTables>({ url, schema: context, context, telemetry: silentTelemetry() });
}
