import { type AppError, type Clock, failure } from '@postern/core';
import type { Principal } from '@postern/identity';
import type { Tunnel } from '@postern/tunnel';
import { CertificateExpired } from '../../streams/open-requests.ts';
import { AgentStopped, type LockOnAgent } from '../agent-lock.ts';
import { TunnelUpstream } from './tunnel-upstream.ts';

export const AgentRevoked = failure(
  'permission_denied',
  'edge.agent_revoked',
  () => 'this agent was revoked; it has to join anew',
);

export const EdgeLeaving = failure(
  'unavailable',
  'edge.leaving',
  () => 'this edge is about to stop; use another one',
);

/** Who opened a tunnel, as the certificate says. */
export type TunnelOwner = Pick<Principal, 'id' | 'joinToken' | 'notAfter'>;

interface Held extends TunnelOwner {
  readonly tunnel: Tunnel;
  readonly upstream: TunnelUpstream;
}

export interface AgentTunnelsDeps {
  readonly clock: Clock;
  /** Milliseconds on a clock that is never set. */
  readonly now: () => number;
  /** Told when an agent has its first tunnel here, or has lost its last. */
  readonly changed: () => void;
  readonly lockOnAgent: LockOnAgent;
}

const maxPerAgent = 8;
/** Agents may be revoked while they are away; so many of them are remembered. */
const maxRevoked = 10_000;

/**
 * The tunnels of agents, by the id in the certificate that each was opened with. The newest takes new requests, so that the
 * others run dry. None outlives its certificate.
 */
export class AgentTunnels {
  readonly #deps: AgentTunnelsDeps;
  readonly #byAgent = new Map<string, Held[]>();
  readonly #revoked = new Set<string>();
  #size = 0;

  constructor(deps: AgentTunnelsDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#size;
  }

  /** Ids of the agents that can be reached here. */
  get agentIds(): string[] {
    return [...this.#byAgent.keys()];
  }

  add({ id, joinToken, notAfter }: TunnelOwner, tunnel: Tunnel): void {
    if (this.#revoked.has(id)) return tunnel.close(AgentRevoked());
    const lock = this.#deps.lockOnAgent(id, joinToken);
    if (lock) return tunnel.close(AgentStopped(lock));
    const upstream = new TunnelUpstream(tunnel, undefined, this.#deps.now);
    const held = { id, ...(joinToken === undefined ? {} : { joinToken }), tunnel, upstream, notAfter };
    const before = this.#byAgent.get(id);
    // The agent drains those it does not need; one that has many of them forgot to.
    before?.[maxPerAgent - 2]?.tunnel.drain();
    this.#byAgent.set(id, [held, ...(before ?? [])]);
    this.#size += 1;
    void tunnel.closed.then(() => this.#remove(held));
    if (!before) this.#deps.changed();
  }

  /** Where requests to the agent go now; undefined when it has no tunnel here that takes any. */
  upstreamOf(agentId: string): TunnelUpstream | undefined {
    const usable = this.#byAgent.get(agentId)?.find(({ tunnel }) => !tunnel.isDraining);
    return usable?.upstream;
  }

  /** Closes what was opened with certificates that have ended, and looks after requests that wait for answers. */
  sweep(): void {
    const at = this.#deps.clock();
    for (const list of this.#byAgent.values()) {
      for (const { tunnel, notAfter, upstream } of list) {
        if (notAfter <= at) tunnel.close(CertificateExpired());
        else if (upstream.isWatched) upstream.watch();
      }
    }
  }

  /** Ends everything of an agent, and takes no tunnel of it again. */
  revoke(agentId: string): void {
    if (this.#revoked.size >= maxRevoked) this.#revoked.clear();
    this.#revoked.add(agentId);
    for (const { tunnel } of this.#byAgent.get(agentId) ?? []) tunnel.close(AgentRevoked());
  }

  /** Ends everything of agents that a lock is on. They may open tunnels again when it is gone. */
  cutLocked(): void {
    for (const { id, joinToken, tunnel } of [...this.#byAgent.values()].flat()) {
      const lock = this.#deps.lockOnAgent(id, joinToken);
      if (lock) tunnel.close(AgentStopped(lock));
    }
  }

  forEach(act: (tunnel: Tunnel) => void): void {
    for (const list of this.#byAgent.values()) for (const { tunnel } of list) act(tunnel);
  }

  /** Lets streams under way end, for so many milliseconds at most. */
  async drain(graceMs: number): Promise<void> {
    const all = [...this.#byAgent.values()].flat().map(({ tunnel }) => tunnel);
    for (const tunnel of all) tunnel.drain(graceMs);
    await Promise.all(all.map((tunnel) => tunnel.closed));
  }

  close(reason: AppError): void {
    this.forEach((tunnel) => tunnel.close(reason));
  }

  #remove(held: Held): void {
    const left = (this.#byAgent.get(held.id) ?? []).filter((other) => other !== held);
    this.#size -= 1;
    if (left.length > 0) this.#byAgent.set(held.id, left);
    else {
      this.#byAgent.delete(held.id);
      this.#deps.changed();
    }
  }
}
