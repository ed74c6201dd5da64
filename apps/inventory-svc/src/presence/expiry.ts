import type { Logger } from '@postern/telemetry';
import { type Kysely, sql } from 'kysely';
import type { InventoryDb } from '../database.ts';
import { isOverdue, recordSilent, type TransitionDeps } from './transitions.ts';

/** How many agents there are, and how many of those online have missed three heartbeats. */
export interface Fleet {
  readonly online: number;
  readonly offline: number;
  readonly overdue: number;
  readonly longestIntervalMs: number;
}

const smallFleet = 10;
const patienceIntervals = 10;

/**
 * Whether a mass silence is believed. When more than half of a fleet falls silent at once it is us, not them: the bus, a
 * network between, a paused machine. After ten intervals of it we were wrong.
 */
export class MassSilence {
  #since: Date | undefined;

  isSuspected({ online, overdue, longestIntervalMs }: Fleet, now: Date): boolean {
    if (online < smallFleet || overdue * 2 <= online) {
      this.#since = undefined;
      return false;
    }
    this.#since ??= now;
    return now.getTime() - this.#since.getTime() < patienceIntervals * longestIntervalMs;
  }
}

/** What turns silence into AgentLost. */
export interface ExpiryDeps extends TransitionDeps {
  readonly log: Logger;
  /** When this process last could not have known: its own start, the bus or Postgres being away. */
  readonly troubleAt: () => Date;
}

/** Looks once for agents that fell silent. Answers what the fleet looked like. */
export async function expireOnce(deps: ExpiryDeps, mass: MassSilence, now: Date): Promise<Fleet> {
  const fleet = await countFleet(deps.store.db, now);
  if (fleet.overdue === 0) return fleet;
  if (mass.isSuspected(fleet, now)) {
    deps.log.warn('most agents fell silent at once; none is given up yet', { ...fleet });
    return fleet;
  }
  const lost = await recordSilent(deps, now, deps.troubleAt());
  if (lost.length > 0) deps.log.warn('agents fell silent', { count: lost.length, agents: lost.slice(0, 10) });
  return fleet;
}

async function countFleet(db: Kysely<InventoryDb>, now: Date): Promise<Fleet> {
  const row = await db
    .selectFrom('agent')
    .select([
      sql<number>`count(*) filter (where presence = 'online')`.as('online'),
      sql<number>`count(*) filter (where presence = 'offline')`.as('offline'),
      sql<number>`count(*) filter (where presence = 'online' and ${isOverdue(now)})`.as('overdue'),
      sql<number>`coalesce(max(interval_ms) filter (where presence = 'online'), 0)`.as('longestIntervalMs'),
    ])
    .executeTakeFirstOrThrow();
  return row;
}
