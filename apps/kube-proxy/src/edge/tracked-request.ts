import type { AppError } from '@postern/core';
import type { Principal } from '@postern/identity';
import { AgentLocked, type LockOnAgent } from './agent-lock.ts';
import type { InFlight } from '../agent/serve.ts';
import type { OpenRequest } from '../streams/open-requests.ts';

/** A request in the registry of open ones, from before it starts until it has ended. */
export class TrackedRequest implements OpenRequest {
  readonly principal: Principal;
  readonly cluster: string;
  readonly attributes: OpenRequest['attributes'];
  readonly asked: OpenRequest['asked'];
  readonly decision: OpenRequest['decision'];
  #agentId: string | undefined;
  #flight: InFlight | undefined;
  #cutBy: AppError | undefined;

  constructor({ principal, cluster, attributes, asked, decision }: Omit<OpenRequest, 'agentId' | 'cut'>) {
    this.principal = principal;
    this.cluster = cluster;
    this.attributes = attributes;
    this.asked = asked;
    this.decision = decision;
  }

  get agentId(): string | undefined {
    return this.#agentId;
  }

  /** A lock on the agent that came between its choice and now is not missed either. */
  goesVia(agentId: string, { lockOnAgent }: { readonly lockOnAgent: LockOnAgent }): void {
    this.#agentId = agentId;
    const lock = lockOnAgent(agentId);
    if (lock) this.cut(AgentLocked(this.cluster, lock));
  }

  /** Why it must not go on, where something has cut it. */
  get cutBy(): AppError | undefined {
    return this.#cutBy;
  }

  began(flight: InFlight): void {
    this.#flight = flight;
    if (this.#cutBy) flight.cut(this.#cutBy);
  }

  cut(error: AppError): void {
    this.#cutBy = error;
    this.#flight?.cut(error);
  }
}
