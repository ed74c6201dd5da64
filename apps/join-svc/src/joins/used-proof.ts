import { failure } from '@postern/core';
import { sql, type Transaction } from 'kysely';
import type { JoinDb, JoinStore } from '../database.ts';

/** A proof that has made another agent. */
export const ProofWasUsed = failure(
  'already_exists',
  'join.proof_used',
  () => 'the proof was used by another join',
);

/** A proof that is good for one agent. */
export interface SingleUse {
  /** Names the proof: of the method's own choosing, without anything secret. */
  readonly proof: string;
  /** When it would not be accepted any more, so that nobody has to remember it; without it that is never. */
  readonly until?: Date;
}

/** The agent that a proof has made, on whichever replica that was. */
export async function madeBy({ db }: JoinStore, proof: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('used_proof')
    .select('agent_id')
    .where('proof', '=', proof)
    .executeTakeFirst();
  return row?.agent_id;
}

// Clocks of replicas differ, and what was accepted by one a moment ago must not look new to another.
const graceMs = 10 * 60_000;

/** The rows by which proofs are taken for an agent; there is no place for them where one is taken. */
export function usedProofRows(agentId: string, uses: readonly SingleUse[]) {
  return uses.map(({ proof, until = null }) => ({ proof, agent_id: agentId, ends_at: until }));
}

/** Each join takes away more rows of proofs that have ended than it adds; those that another one is taking away are left to it. */
export async function forgetEndedProofs(trx: Transaction<JoinDb>, at: Date): Promise<void> {
  const ended = new Date(at.getTime() - graceMs);
  await sql`delete from used_proof where proof in (
    select proof from used_proof where ends_at < ${ended} order by ends_at limit 10 for update skip locked)`.execute(
    trx,
  );
}
