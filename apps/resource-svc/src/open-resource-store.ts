import { join } from 'node:path';
import type { Clock, Secret } from '@postern/core';
import { type EventStore, openEventStore } from '@postern/event-store';
import type { Telemetry } from '@postern/telemetry';
import type { ResourceDb } from './database.ts';

/** The events and tables of resource-svc. */
export type ResourceEventStore = EventStore<ResourceDb>;

/** Opens the schema `resource` of the database. */
export function openResourceStore(
  url: Secret,
  { telemetry, clock }: { readonly telemetry: Telemetry; readonly clock: Clock },
): Promise<ResourceEventStore> {
  return openEventStore<ResourceDb>({
    url: url.reveal(),
    schema: 'resource',
    context: 'resource',
    migrations: join(import.meta.dirname, '../migrations'),
    telemetry,
    clock,
  });
}
