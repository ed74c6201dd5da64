import { commandSubjects, type Heartbeat, type ServedReport } from '@postern/contracts';
import type { Clock } from '@postern/core';
import type { Bus } from '@postern/bus';
import { durationBuckets, type Histogram, type Telemetry } from '@postern/telemetry';
import { type SeenReport, writeReports } from '../clusters/served-reports.ts';
import { Loop } from '../loop.ts';
import { expireOnce, type Fleet, MassSilence } from './expiry.ts';
import { PendingHeartbeats } from './pending-heartbeats.ts';
import { recordLeft, recordSeen, type TransitionDeps } from './transitions.ts';
import { writeHeartbeats } from './write-heartbeats.ts';

/** How often presence is written and checked, in milliseconds. */
export interface PresenceTimes {
  readonly flushMs: number;
  readonly scanMs: number;
}

export interface PresenceDeps extends TransitionDeps {
  readonly bus: Pick<Bus, 'isConnected' | 'onReconnect' | 'publish'>;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
}

/** A change is written this soon; heartbeats that change nothing wait for the next flush. */
const soonMs = 20;
const maxWaitingReports = 1_000;

/**
 * Who is there. Heartbeats are merged in memory and written once a second; what changes something — an agent that comes,
 * goes, or serves something else — is written at once. Any number of replicas do this side by side: Postgres is where their
 * halves meet.
 */
export class Presence implements AsyncDisposable {
  readonly #deps: PresenceDeps;
  readonly #pending = new PendingHeartbeats();
  readonly #reports = new Map<string, SeenReport>();
  readonly #runs = new Map<string, string>();
  readonly #leaving = new Set<Promise<void>>();
  readonly #mass = new MassSilence();
  readonly #scope = new AsyncDisposableStack();
  readonly #flushing: Loop;
  #troubleAt: Date;
  #written: Promise<void> = Promise.resolve();
  readonly #flushSeconds: Histogram;
  #fleet: Fleet = { online: 0, offline: 0, overdue: 0, longestIntervalMs: 0 };

  constructor(deps: PresenceDeps, { flushMs, scanMs }: PresenceTimes) {
    this.#deps = deps;
    this.#troubleAt = deps.clock();
    const { log, meter } = deps.telemetry;
    this.#flushSeconds = meter.createHistogram('inventory_presence_flush_seconds', {
      description: 'Time to write heartbeats and reports to Postgres.',
      advice: { explicitBucketBoundaries: durationBuckets },
    });
    // What comes first is closed last: the last flush must see what the subscriptions brought.
    this.#flushing = this.#scope.use(
      new Loop({ everyMs: flushMs, log, name: 'writing heartbeats' }, () => this.#flush()),
    );
    this.#scope.use(
      new Loop({ everyMs: scanMs, log, name: 'looking for silent agents' }, () => this.#scan()),
    );
    this.#scope.defer(deps.bus.onReconnect(() => this.#trouble()));
    this.#measure();
  }

  heartbeat(heartbeat: Heartbeat): void {
    this.#pending.add({ ...heartbeat, at: this.#deps.clock() });
    if (this.#runs.get(heartbeat.agentId) !== heartbeat.run) this.#flushing.within(soonMs);
  }

  served(report: ServedReport): void {
    const known = this.#reports.get(report.agentId);
    if (known?.run === report.run && known.revision > report.revision) return;
    this.#reports.set(report.agentId, { ...report, at: this.#deps.clock() });
    this.#flushing.within(this.#reports.size > maxWaitingReports ? 0 : soonMs);
  }

  goodbye(agentId: string): Promise<void> {
    const left = this.#leave(agentId);
    this.#leaving.add(left);
    return left.finally(() => this.#leaving.delete(left));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.disposeAsync();
    await this.#flush();
    await Promise.allSettled(this.#leaving);
  }

  async #leave(agentId: string): Promise<void> {
    const at = this.#deps.clock();
    this.#pending.forget(agentId);
    this.#runs.delete(agentId);
    // A heartbeat of its own may be on its way into the row.
    await this.#written.catch(() => undefined);
    await recordLeft(this.#deps, agentId, at);
  }

  #trouble(): void {
    this.#troubleAt = this.#deps.clock();
  }

  /** Writes what there is, after the write that is under way: when it is done, nothing heard before is unwritten. */
  #flush(): Promise<void> {
    this.#written = this.#written.catch(() => undefined).then(() => this.#orTrouble(() => this.#write()));
    return this.#written;
  }

  /** What fails here is the database; for as long as it is away nobody can tell silence from not having heard. */
  async #orTrouble(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#trouble();
      throw error;
    }
  }

  async #write(): Promise<void> {
    if (this.#pending.size + this.#reports.size === 0) return;
    const start = performance.now();
    await this.#flushReports();
    await this.#flushHeartbeats();
    this.#flushSeconds.record((performance.now() - start) / 1000);
  }

  async #flushReports(): Promise<void> {
    const reports = [...this.#reports.values()].toSorted((a, b) => (a.agentId < b.agentId ? -1 : 1));
    if (reports.length === 0) return;
    await writeReports(this.#deps.store.db, reports);
    for (const report of reports) {
      if (this.#reports.get(report.agentId) === report) this.#reports.delete(report.agentId);
    }
  }

  async #flushHeartbeats(): Promise<void> {
    const { store, bus } = this.#deps;
    const batch = this.#pending.take();
    if (batch.length === 0) return;
    try {
      const noted = await writeHeartbeats(store.db, batch);
      const returned = noted.filter(({ isBack }) => isBack).map(({ agentId }) => agentId);
      await recordSeen(this.#deps, returned);
      for (const { agentId, run } of batch) this.#runs.set(agentId, run);
      for (const { agentId, isReportStale } of noted) {
        if (isReportStale) bus.publish(commandSubjects.reportServed(agentId), {});
      }
    } catch (error) {
      this.#pending.putBack(batch);
      throw error;
    }
  }

  async #scan(): Promise<void> {
    const { bus, telemetry, clock } = this.#deps;
    if (!bus.isConnected) this.#trouble();
    // What is not written yet would look like silence.
    await this.#flush();
    const deps = { ...this.#deps, log: telemetry.log, troubleAt: () => this.#troubleAt };
    await this.#orTrouble(async () => {
      this.#fleet = await expireOnce(deps, this.#mass, clock());
    });
  }

  #measure(): void {
    const { meter } = this.#deps.telemetry;
    meter
      .createObservableGauge('inventory_agents', { description: 'Agents by presence, as last counted.' })
      .addCallback((result) => {
        result.observe(this.#fleet.online, { presence: 'online' });
        result.observe(this.#fleet.offline, { presence: 'offline' });
      });
    meter
      .createObservableGauge('inventory_presence_dirty', {
        description: 'Heartbeats and reports not written yet.',
      })
      .addCallback((result) => result.observe(this.#pending.size + this.#reports.size));
  }
}
