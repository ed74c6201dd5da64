import type { ResourceFilter } from '@postern/access';
import { type Clock, failure } from '@postern/core';
import { type VerifiedGrant, verifyGrant } from '@postern/identity';
import { CertificateRefused, type Peer } from '../listen/peer.ts';
import type { Granted } from './api-request.ts';

export const GrantRequired = failure(
  'unauthenticated',
  'kube.grant_required',
  () => 'a request to an agent needs a grant that its edge signed',
);

export const GrantForAnother = failure(
  'permission_denied',
  'kube.grant_for_another_cluster',
  () => 'the grant is for another cluster',
);

interface Known {
  readonly fingerprint: string;
  readonly grant: VerifiedGrant;
}

const maxKnown = 20_000;

/** Verifies grants, each once: the same one comes with every request of a session. */
export class GrantCheck {
  readonly #agentId: () => string;
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();

  constructor(agentId: () => string, clock: Clock) {
    this.#agentId = agentId;
    this.#clock = clock;
  }

  /** The grant, if this very peer signed it for this agent and cluster and it has not ended. */
  async verify(token: string | undefined, cluster: string, peer: Peer): Promise<VerifiedGrant> {
    if (!peer.verified) throw peer.refusal ?? CertificateRefused();
    if (token === undefined) throw GrantRequired();
    const at = this.#clock();
    const { fingerprint } = peer.verified.principal;
    const known = this.#known.get(token);
    const isFresh = known && known.fingerprint === fingerprint && known.grant.expiresAt > at;
    const grant = isFresh ? known.grant : await this.#verify(token, peer.verified, at);
    if (grant.cluster !== cluster) throw GrantForAnother();
    return grant;
  }

  async #verify(token: string, peer: NonNullable<Peer['verified']>, at: Date): Promise<VerifiedGrant> {
    const grant = await verifyGrant(token, { peer, agentId: this.#agentId(), at });
    if (this.#known.size >= maxKnown) this.#known.clear();
    this.#known.set(token, { fingerprint: peer.principal.fingerprint, grant });
    return grant;
  }
}

/** A grant in the terms of serving. */
export function grantedBy({ kubeUser, kubeGroups, rules }: VerifiedGrant): Granted {
  const [filter] = (rules ?? []) as unknown as readonly ResourceFilter[];
  return { impersonation: { user: kubeUser, groups: kubeGroups }, filter };
}
