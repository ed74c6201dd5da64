import { agentSubjects, type WorkDelivery, type WorkStatus } from '@postern/contracts';
import { AppError, type Json } from '@postern/core';
import { slotAt } from '@postern/work-groups';
import { sql } from 'kysely';
import type { WorkWorld } from './work-world.ts';

/** A slot so long that no test sees two of them. */
export const day = 86_400_000;

type Verb = 'workOffer' | 'workTake' | 'workExtend' | 'workSettle' | 'workStatus';

/** What members ask of the broker, asked without their library. */
export interface WorkRequests {
  ask(agentId: string, verb: Verb, body: unknown): Promise<Json>;
  /** The slot of a day that it is now, as the broker says. */
  today(): Promise<number>;
  /** Offers tasks of today. */
  offer(agentId: string, group: string, tasks: readonly string[]): Promise<Json>;
  /** Takes a task of a group that there must be. */
  taken(agentId: string, group: string): Promise<WorkDelivery>;
  statusOf(group: string): Promise<WorkStatus>;
}

export function workRequests(world: WorkWorld): WorkRequests {
  const ask: WorkRequests['ask'] = (agentId, verb, body) =>
    world.bus.request(agentSubjects[verb](agentId), body);
  const today = async () => {
    const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(world.store.db);
    return slotAt(rows[0]!.now.getTime(), day);
  };
  return {
    ask,
    today,
    offer: async (agentId, group, tasks) =>
      ask(agentId, 'workOffer', { group, slotMs: day, slot: await today(), tasks }),
    taken: async (agentId, group) => {
      const reply = await ask(agentId, 'workTake', { group, waitMs: 3_000 });
      const { delivery } = reply as unknown as { delivery?: WorkDelivery };
      if (!delivery) throw new Error(`${agentId} was given no task of ${group}`);
      return delivery;
    },
    statusOf: async (group) => (await ask('honest', 'workStatus', { group })) as unknown as WorkStatus,
  };
}

/** The code of the failure that a request is refused with. */
export async function refusal(request: Promise<unknown>): Promise<string> {
  try {
    return `accepted: ${JSON.stringify(await request)}`;
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
}
