import { type Bus, consumers, type Consumption, type Parking } from '@postern/bus';
import { AgentRevoked } from '@postern/contracts';
import type { Kysely } from 'kysely';
import type { InventoryDb } from '../database.ts';

/** Remembers whom join-svc revoked; for good, since a revoked agent never joins again under its id. */
export function followRevocations(bus: Bus, db: Kysely<InventoryDb>, parking: Parking): Consumption {
  return bus.consume({
    ...consumers.inventoryRevocations,
    parking,
    async handler(message) {
      const event = message.event();
      const { agentId } = AgentRevoked.read(event);
      await db
        .insertInto('revoked_agent')
        .values({ agent_id: agentId, revoked_at: new Date(event.at) })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    },
  });
}

/** Whether an agent or edge was revoked, as far as it is known here. */
export async function isRevoked(db: Kysely<InventoryDb>, agentId: string): Promise<boolean> {
  const known = db.selectFrom('revoked_agent').select('agent_id').where('agent_id', '=', agentId);
  return (await known.executeTakeFirst()) !== undefined;
}
