import type { KubeAllow } from '@postern/access';
import type { Clock } from '@postern/core';
import { type HeldIdentity, type Principal, signGrant, spiffeId } from '@postern/identity';
import { sentFilter } from '../filter/sent-filter.ts';

/** What a grant says, for one agent. */
export interface GrantFor {
  readonly principal: Principal;
  readonly cluster: string;
  readonly decision: KubeAllow;
  readonly policyRevision: string;
  readonly agentId: string;
  readonly requestId: string;
}

interface Signed {
  readonly token: string;
  readonly usableUntil: number;
}

const ttlSeconds = 60;
/** A grant is not sent when it could end on the way. */
const marginMs = 10_000;
const maxEntries = 50_000;

/** Signed grants, reused while they say the same: signing costs more than all the rest of a request. */
export class Grants {
  readonly #held: HeldIdentity;
  readonly #clock: Clock;
  readonly #signed = new Map<string, Signed>();

  constructor(held: HeldIdentity, clock: Clock) {
    this.#held = held;
    this.#clock = clock;
    held.onChange(() => this.#signed.clear());
  }

  async sign(grant: GrantFor): Promise<string> {
    const at = this.#clock();
    const key = this.#keyOf(grant);
    const known = this.#signed.get(key);
    if (known && known.usableUntil > at.getTime()) return known.token;
    const { principal, cluster, decision, policyRevision, agentId, requestId } = grant;
    const token = await signGrant(
      this.#held.current(),
      {
        sub: spiffeId(principal),
        session: principal.session ?? '',
        cluster,
        kubeUser: decision.kubeUser,
        kubeGroups: decision.kubeGroups,
        ...(decision.rules ? { filterDigest: sentFilter(decision.rules).digest } : {}),
        policyRevision,
        requestId,
      },
      { agentId, at, ttlSeconds },
    );
    if (this.#signed.size >= maxEntries) this.#signed.clear();
    this.#signed.set(key, { token, usableUntil: at.getTime() + ttlSeconds * 1000 - marginMs });
    return token;
  }

  #keyOf({ principal, cluster, decision, policyRevision, agentId }: GrantFor): string {
    const { kubeUser, kubeGroups, rules } = decision;
    const who = [principal.type, principal.id, principal.session];
    return JSON.stringify([
      agentId,
      cluster,
      who,
      kubeUser,
      kubeGroups,
      rules ? sentFilter(rules).digest : '',
      policyRevision,
    ]);
  }
}
