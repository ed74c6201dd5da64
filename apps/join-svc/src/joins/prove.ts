import { type JoinRequest, joinRequestDigest } from '@postern/contracts';
import type { JoinDeps } from '../deps.ts';
import { methodNamed } from '../methods/index.ts';
import { type JoinToken, ProofRefused, type Proved } from '../methods/method.ts';
import { madeBy, ProofWasUsed, type SingleUse } from './used-proof.ts';

/** What is known about a joiner before its proof is looked at. */
export interface Joining {
  readonly token: JoinToken;
  /** SHA-256 of its public key, hex. */
  readonly key: string;
  /** The agent that it would become, or is already. */
  readonly agentId: string;
  readonly sourceIp: string;
}

/** What a proof established, and what must not establish anything again. */
export interface Established {
  readonly attributes: Proved['attributes'];
  readonly uses: readonly SingleUse[];
}

/**
 * Lets the method of the request verify its proof; what costs nothing is checked first. A challenge that has made this very
 * agent was verified then: such a repetition is answered without asking anybody again, so that replaying a good join a
 * thousand times sends nothing to whoever vouched for it.
 */
export async function prove(
  deps: JoinDeps,
  request: JoinRequest,
  { token, key, agentId, sourceIp }: Joining,
): Promise<Established> {
  const { method: name, roles, proof, challenge } = request;
  const method = methodNamed(name, deps.joinMethods);
  if (!method) throw ProofRefused(`there is no join method ${name}`);
  const digest = joinRequestDigest(request);
  const attempt = { token, roles, sourceIp, proof, key, request: digest, challenge: '' };
  if (!method.hasChallenge) {
    if (challenge !== undefined) throw ProofRefused(`the method ${name} has no challenges`);
    return established(await method.verify(deps.methods, attempt));
  }
  if (challenge === undefined) throw ProofRefused('the proof answers to no challenge');
  const open = deps.challenges.read(challenge, { method: name, key });
  if (typeof open === 'string') throw ProofRefused(open);
  const use = { proof: `challenge:${open.id}`, until: open.endsAt };
  const made = await madeBy(deps.store, use.proof);
  if (made === agentId) return { attributes: {}, uses: [use] };
  if (made !== undefined) throw ProofWasUsed();
  return established(await method.verify(deps.methods, { ...attempt, challenge }), use);
}

function established({ attributes, once = [] }: Proved, ...uses: SingleUse[]): Established {
  return { attributes, uses: [...uses, ...once] };
}
