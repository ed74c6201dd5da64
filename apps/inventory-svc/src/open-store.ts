import type { Clock, Secret } from '@postern/core';
import { type EventStore, openEventStore } from '@postern/event-store';
import type { Telemetry } from '@postern/telemetry';
import type { InventoryDb } from './database.ts';
import { inventoryMigrations } from './service.ts';

interface StoreDeps {
  readonly telemetry: Telemetry;
  readonly clock: Clock;
}

/** Opens this service's schema of the database, after its migrations. */
export function openInventoryStore(
  url: Secret,
  { telemetry, clock }: StoreDeps,
): Promise<EventStore<InventoryDb>> {
  const options = {
    url: url.reveal(),
    schema: 'inventory',
    context: 'inventory',
    migrations: inventoryMigrations,
  } as const;
  return openEventStore<InventoryDb>({ ...options, telemetry, clock });
}
