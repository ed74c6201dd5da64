import type { ResourceFilter } from '@postern/access';
import { type Clock, failure } from '@postern/core';
import { type TrustBundle, type VerifiedGrant, verifyGrant } from '@postern/identity';
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

const maxKnown = 20_000;

/** What grants are checked against. */
export interface GrantCheckDeps {
  readonly agentId: () => string;
  readonly trust: () => TrustBundle;
  readonly clock: Clock;
}

/** Verifies grants, each once: the same one comes with every request of a session. */
export class GrantCheck {
  readonly #deps: GrantCheckDeps;
  readonly #known = new Map<string, VerifiedGrant>();

  constructor(deps: GrantCheckDeps) {
    this.#deps = deps;
  }

  /** The grant, if an edge signed it for this agent and cluster and it has not ended. Who brought it does not matter. */
  async verify(token: string | undefined, cluster: string): Promise<VerifiedGrant> {
    if (token === undefined) throw GrantRequired();
    const at = this.#deps.clock();
    const known = this.#known.get(token);
    const grant = known && known.expiresAt > at ? known : await this.#verify(token, at);
    if (grant.cluster !== cluster) throw GrantForAnother();
    return grant;
  }

  async #verify(token: string, at: Date): Promise<VerifiedGrant> {
    const { agentId, trust } = this.#deps;
    const grant = await verifyGrant(token, { agentId: agentId(), trust: trust(), at });
    if (this.#known.size >= maxKnown) this.#known.clear();
    this.#known.set(token, grant);
    return grant;
  }
}

/** A grant, and the filter that it names, in the terms of serving. */
export function grantedBy(
  { sub, kubeUser, kubeGroups }: VerifiedGrant,
  filter: ResourceFilter | undefined,
): Granted {
  return { subject: () => sub, impersonation: { user: kubeUser, groups: kubeGroups }, filter };
}
