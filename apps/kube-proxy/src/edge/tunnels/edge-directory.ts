import type { EdgeBeat, EdgeTunnels } from '@postern/contracts';
import type { Hearing } from '../hearing.ts';

/** Another edge, as it describes itself on the bus. */
export interface PeerEdge {
  readonly id: string;
  /** host:port where it takes tunnels of other edges. */
  readonly address: string;
}

interface Entry {
  readonly id: string;
  address: string;
  run: string;
  revision: number;
  agents: ReadonlySet<string>;
  /** What its last beat spoke of. */
  spokenOf: { readonly run: string; readonly revision: number };
  aliveUntil: number;
  /** It could not be reached a moment ago. */
  shunnedUntil: number;
}

/** Beats that may be missed before an edge counts as gone. */
const missable = 3;
const shunMs = 5000;

/** Which other edges there are and whose tunnels they hold, from what they say on the bus. */
export class EdgeDirectory {
  readonly #now: () => number;
  readonly #hearing: Pick<Hearing, 'now'>;
  readonly #edges = new Map<string, Entry>();

  /** `now` is a clock that is never set, milliseconds. */
  constructor(now: () => number, hearing: Pick<Hearing, 'now'>) {
    this.#now = now;
    this.#hearing = hearing;
  }

  /** Whether a beat is of an edge, or of a run of one, that was not heard before, and so knows of nobody either. */
  isNew(id: string, { run }: Pick<EdgeBeat, 'run'>): boolean {
    const entry = this.#edges.get(id);
    return !entry || entry.spokenOf.run !== run || entry.aliveUntil <= this.#hearing.now();
  }

  /** Takes a beat. False when the tunnels it speaks of are not known, so that they have to be asked for. */
  beat(id: string, { run, intervalMs, address, revision }: EdgeBeat): boolean {
    const entry = this.#of(id);
    entry.address = address;
    entry.aliveUntil = this.#hearing.now() + missable * intervalMs;
    entry.spokenOf = { run, revision };
    return isKnown(entry);
  }

  /** Whether of each edge that is alive it is known whose tunnels it holds. */
  get isComplete(): boolean {
    return this.#alive().every(isKnown);
  }

  tunnels(id: string, { run, revision, agents }: EdgeTunnels): void {
    const entry = this.#of(id);
    if (entry.run === run && revision < entry.revision) return;
    entry.run = run;
    entry.revision = revision;
    entry.agents = new Set(agents);
  }

  goodbye(id: string): void {
    this.#edges.delete(id);
  }

  /** Nothing is sent through an edge for five seconds after it could not be reached. */
  unreachable(id: string): void {
    const entry = this.#edges.get(id);
    if (entry) entry.shunnedUntil = this.#now() + shunMs;
  }

  /** Other edges that are alive. */
  get size(): number {
    return this.#alive().length;
  }

  /** The edges through which an agent is reached, those first that could be reached lately. */
  holdersOf(agentId: string): PeerEdge[] {
    const now = this.#now();
    return this.#alive()
      .filter(({ agents, address }) => address !== '' && agents.has(agentId))
      .toSorted((a, b) => Number(a.shunnedUntil > now) - Number(b.shunnedUntil > now));
  }

  /** Whether some edge holds a tunnel of the agent. */
  holds(agentId: string): boolean {
    const now = this.#hearing.now();
    for (const { agents, aliveUntil, address } of this.#edges.values())
      if (aliveUntil > now && address !== '' && agents.has(agentId)) return true;
    return false;
  }

  #alive(): Entry[] {
    const now = this.#hearing.now();
    return [...this.#edges.values()].filter(({ aliveUntil }) => aliveUntil > now);
  }

  #of(id: string): Entry {
    const known = this.#edges.get(id);
    if (known) return known;
    const entry = {
      id,
      address: '',
      run: '',
      revision: -1,
      agents: new Set<string>(),
      spokenOf: { run: '', revision: 0 },
      aliveUntil: 0,
      shunnedUntil: 0,
    };
    this.#edges.set(id, entry);
    return entry;
  }
}

function isKnown({ run, revision, spokenOf }: Entry): boolean {
  return run === spokenOf.run && revision >= spokenOf.revision;
}
