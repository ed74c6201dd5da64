import type { Heartbeat } from '@postern/contracts';

/** A heartbeat and when it arrived. */
export interface SeenHeartbeat extends Heartbeat {
  readonly at: Date;
}

/** The newest heartbeat of each agent that is not in Postgres yet. While Postgres is away it grows with agents, not with time. */
export class PendingHeartbeats {
  #byAgent = new Map<string, SeenHeartbeat>();

  get size(): number {
    return this.#byAgent.size;
  }

  add(heartbeat: SeenHeartbeat): void {
    const known = this.#byAgent.get(heartbeat.agentId);
    if (!known || isNewer(heartbeat, known)) this.#byAgent.set(heartbeat.agentId, heartbeat);
  }

  forget(agentId: string): void {
    this.#byAgent.delete(agentId);
  }

  /** Everything there is, by agent id: two replicas that write the same rows then lock them in the same order. */
  take(): SeenHeartbeat[] {
    const taken = [...this.#byAgent.values()].toSorted((a, b) => (a.agentId < b.agentId ? -1 : 1));
    this.#byAgent = new Map();
    return taken;
  }

  /** Takes back what could not be written, unless something newer has come since. */
  putBack(heartbeats: readonly SeenHeartbeat[]): void {
    for (const heartbeat of heartbeats) this.add(heartbeat);
  }
}

function isNewer(a: Heartbeat, b: Heartbeat): boolean {
  if (a.run === b.run) return a.sequence > b.sequence;
  return Date.parse(a.startedAt) >= Date.parse(b.startedAt);
}
