import { type Bus, openWorkQueue } from '@postern/bus';
import type { Telemetry } from '@postern/telemetry';
import { serveWork } from '@postern/work-groups';
import type { Kysely } from 'kysely';
import type { ResourceDb } from '../database.ts';
import { systemRolesOf } from '../views/entitlement.ts';
import { type EndEffect, workRecords } from './work-records.ts';

/** What the work groups run on. */
export interface KeepWorkDeps {
  readonly store: { readonly db: Kysely<ResourceDb> };
  readonly bus: Bus;
  readonly telemetry: Telemetry;
}

/** What may be set otherwise. */
export interface WorkOptions {
  /** A member of which nothing is heard for so long has lost its tasks, in milliseconds. */
  readonly leaseMs?: number;
  readonly maxAttempts?: number;
  readonly whenEnded?: EndEffect;
}

/** Answers the members of work groups. Every replica does; each request goes to one of them. */
export function keepWork(
  { store: { db }, bus, telemetry }: KeepWorkDeps,
  { leaseMs = 10_000, maxAttempts = 5, whenEnded }: WorkOptions = {},
): Disposable {
  return serveWork({
    bus,
    queue: openWorkQueue(bus, { ackWaitMs: leaseMs }),
    records: workRecords(db, whenEnded),
    limits: { leaseMs, maxAttempts },
    mayWork: (agentId) => isDiscovery(db, agentId),
    telemetry,
  });
}

async function isDiscovery(db: Kysely<ResourceDb>, agentId: string): Promise<boolean> {
  return (await systemRolesOf(db, agentId)).includes('Discovery');
}
