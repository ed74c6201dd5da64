import { caPin, typeForRoles } from '@postern/identity';
import type { Transaction } from 'kysely';
import type { Authorities } from '../authorities/authorities.ts';
import type { JoinDb } from '../database.ts';

/** What an agent holds from now on. */
export interface HeldKey {
  readonly agentId: string;
  readonly roles: readonly string[];
  /** SHA-256 of its public key, hex. */
  readonly key: string;
  /** RFC 3339. */
  readonly notAfter: string;
  /** Those that it is certified by. */
  readonly authorities: Authorities;
}

/** The row by which a new agent holds its key; there is no place for it where another agent has that key. */
export function heldKeyRow({ agentId, roles, key, notAfter, authorities }: HeldKey) {
  return {
    agent_id: agentId,
    key,
    issuer: caPin(authorities.issuers[typeForRoles(roles)].certificate),
    not_after: new Date(notAfter),
    trust_revision: authorities.revision,
  };
}

/** Keeps what an agent holds that may hold something already. By which trust it goes it says itself, when it has the answer. */
export async function replaceHeldKey(trx: Transaction<JoinDb>, held: HeldKey): Promise<void> {
  const row = heldKeyRow(held);
  const { key, issuer, not_after } = row;
  await trx
    .insertInto('agent_key')
    .values(row)
    .onConflict((conflict) => conflict.column('agent_id').doUpdateSet({ key, issuer, not_after }))
    .execute();
}

/** An agent that was revoked holds nothing that anybody waits for. Its key stays taken. */
export async function endHeldKey(trx: Transaction<JoinDb>, agentId: string): Promise<void> {
  await trx.updateTable('agent_key').set({ not_after: null }).where('agent_id', '=', agentId).execute();
}
