import type { Heartbeat, ServedCluster, ServedReport } from '@postern/contracts';
import type { Clock } from '@postern/core';
import type { Hearing } from './hearing.ts';
import type { TunnelPlace } from './tunnels/agent-reach.ts';

/** An agent that serves clusters, as its own reports have it. */
export interface RoutedAgent {
  readonly agentId: string;
  readonly run: string;
  readonly clusters: ReadonlyMap<string, ServedCluster>;
  /** Requests under way to it from here. */
  inFlight: number;
}

interface Entry extends RoutedAgent {
  readonly startedAt: string;
  readonly revision: number;
  aliveUntil: number;
  deadUntil: number;
}

const deadMs = 5000;
const defaultIntervalMs = 30_000;
/** Heartbeats that may be missed before an agent counts as gone. */
const missable = 3;

export interface RoutesDeps {
  readonly clock: Clock;
  /** Where the tunnel of an agent ends; undefined where it has none. */
  readonly placeOf: (agentId: string) => TunnelPlace | undefined;
  readonly hearing: Pick<Hearing, 'now'>;
}

/** Which agents serve which cluster, from what the agents say on the bus. */
export class Routes {
  readonly #clock: Clock;
  readonly #placeOf: RoutesDeps['placeOf'];
  readonly #hearing: RoutesDeps['hearing'];
  readonly #agents = new Map<string, Entry>();
  readonly #byCluster = new Map<string, Set<Entry>>();

  constructor({ clock, placeOf, hearing }: RoutesDeps) {
    this.#clock = clock;
    this.#placeOf = placeOf;
    this.#hearing = hearing;
  }

  /** Takes a report, unless one of a newer run or revision is known. True when it was taken. */
  report(report: ServedReport): boolean {
    const before = this.#agents.get(report.agentId);
    if (before && isOlder(report, before)) return false;
    if (before) this.#remove(before);
    const { agentId, run, startedAt, revision } = report;
    const entry: Entry = {
      agentId,
      run,
      startedAt,
      revision,
      clusters: new Map(report.clusters.map((cluster) => [cluster.name, cluster])),
      inFlight: before?.inFlight ?? 0,
      aliveUntil: this.#hearing.now() + missable * defaultIntervalMs,
      deadUntil: 0,
    };
    this.#agents.set(agentId, entry);
    for (const name of entry.clusters.keys()) this.#of(name).add(entry);
    return true;
  }

  /** Takes a heartbeat. False when the report it speaks of is not known, so that it has to be asked for. */
  heartbeat({ agentId, run, intervalMs, servedRevision }: Heartbeat): boolean {
    const entry = this.#agents.get(agentId);
    if (!entry || entry.run !== run || entry.revision < servedRevision) return false;
    entry.aliveUntil = this.#hearing.now() + missable * intervalMs;
    return true;
  }

  goodbye(agentId: string): void {
    const entry = this.#agents.get(agentId);
    if (!entry) return;
    this.#remove(entry);
    this.#agents.delete(agentId);
  }

  /** Nothing is sent to an agent for five seconds after it could not be reached. */
  unreachable(agentId: string): void {
    const entry = this.#agents.get(agentId);
    if (entry) entry.deadUntil = this.#clock().getTime() + deadMs;
  }

  /** The agents that serve a cluster and can be reached, the best first: online and healthy there, no hop, the least busy. */
  candidates(cluster: string): RoutedAgent[] {
    const now = this.#clock().getTime();
    const ranked: { readonly entry: Entry; readonly rank: number }[] = [];
    for (const entry of this.#byCluster.get(cluster) ?? []) {
      // A tunnel that is open here says more than heartbeats do.
      const place = this.#placeOf(entry.agentId);
      const isAlive = place === 'here' || entry.aliveUntil > this.#hearing.now();
      if (place && isAlive)
        ranked.push({ entry, rank: 2 * rank(entry, cluster, now) + (place === 'here' ? 0 : 1) });
    }
    return ranked
      .toSorted((a, b) => a.rank - b.rank || a.entry.inFlight - b.entry.inFlight)
      .map(({ entry }) => entry);
  }

  /** Every report about a cluster by agents that are alive. */
  served(cluster: string): ServedCluster[] {
    return this.#alive(cluster).map((entry) => entry.clusters.get(cluster)!);
  }

  /** Ids of the agents that said lately that they serve a cluster, whether or not they can be reached. */
  serving(cluster: string): string[] {
    return this.#alive(cluster).map(({ agentId }) => agentId);
  }

  #alive(cluster: string): Entry[] {
    const now = this.#hearing.now();
    return [...(this.#byCluster.get(cluster) ?? [])].filter((entry) => entry.aliveUntil > now);
  }

  #of(name: string): Set<Entry> {
    const known = this.#byCluster.get(name);
    if (known) return known;
    const created = new Set<Entry>();
    this.#byCluster.set(name, created);
    return created;
  }

  #remove(entry: Entry): void {
    for (const name of entry.clusters.keys()) {
      const agents = this.#byCluster.get(name);
      agents?.delete(entry);
      if (agents?.size === 0) this.#byCluster.delete(name);
    }
  }
}

function isOlder(report: ServedReport, known: Entry): boolean {
  if (report.run === known.run) return report.revision < known.revision;
  return report.startedAt < known.startedAt;
}

function rank(entry: Entry, cluster: string, now: number): number {
  const served = entry.clusters.get(cluster);
  const byHealth = served?.health === 'online' ? 0 : 3;
  const byCondition = { healthy: 0, unknown: 1, unhealthy: 2 }[served?.condition?.state ?? 'unknown'];
  return (entry.deadUntil > now ? 6 : 0) + byHealth + byCondition;
}
