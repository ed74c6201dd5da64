import type { ClusterCondition, ServedCluster } from '@postern/contracts';
import { type Clock, failure } from '@postern/core';
import { ApiServer, type ApiServerRules, type ApiServerSettings } from '@postern/kube';
import type { Logger } from '@postern/telemetry';
import { HttpUpstream } from '../forward/http-upstream.ts';
import { ClusterHealth } from './cluster-health.ts';
import { SpokenProtocols } from '../upgrades/spoken-protocols.ts';
import { DynamicLabels, type LabelCommands } from './dynamic-labels.ts';

export const ClusterNotServed = failure(
  'not_found',
  'kube.cluster_not_served',
  (name: string) => `Kubernetes cluster ${JSON.stringify(name)} not found`,
);

/** Everything needed to serve a cluster. */
export interface ClusterSpec {
  readonly name: string;
  readonly origin: ServedCluster['origin'];
  readonly labels: Readonly<Record<string, string>>;
  readonly settings: ApiServerSettings;
  readonly labelCommands: LabelCommands;
}

export interface ServedClustersDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly rules: (origin: ServedCluster['origin']) => ApiServerRules;
  readonly mayRun: (program: string) => boolean;
  /** Told with the new state, or undefined when the cluster was dropped. */
  readonly changed: (name: string, cluster: ServedCluster | undefined, reason: string) => void;
}

/** The clusters that this process serves, by name, each with its connection, health and labels. */
export class ServedClusters implements AsyncDisposable {
  /** What the API servers of the clusters speak, where that is not everything. */
  readonly spoken: SpokenProtocols;
  readonly #deps: ServedClustersDeps;
  readonly #clusters = new Map<string, OpenCluster>();

  constructor(deps: ServedClustersDeps) {
    this.#deps = deps;
    this.spoken = new SpokenProtocols(deps.clock);
  }

  /** Begins to serve a cluster, or replaces the one of that name in place. */
  async open(spec: ClusterSpec): Promise<void> {
    const server = new ApiServer(spec.settings, this.#deps.rules(spec.origin));
    const before = this.#clusters.get(spec.name);
    const cluster = new OpenCluster(this.#deps, spec, server);
    this.#clusters.set(spec.name, cluster);
    this.#deps.changed(spec.name, cluster.report(), before ? 'updated' : 'registered');
    if (before) await before[Symbol.asyncDispose]();
    cluster.start();
  }

  /** Stops serving a cluster; requests under way at it are cut with their connections. */
  async drop(name: string, reason: string): Promise<void> {
    const cluster = this.#clusters.get(name);
    if (!cluster) return;
    this.#clusters.delete(name);
    this.#deps.changed(name, undefined, reason);
    await cluster[Symbol.asyncDispose]();
  }

  find(name: string): { readonly server: ApiServer; readonly upstream: HttpUpstream } | undefined {
    return this.#clusters.get(name);
  }

  has(name: string): boolean {
    return this.#clusters.has(name);
  }

  isOnline(name: string): boolean {
    return this.#clusters.get(name)?.isOnline === true;
  }

  /** How many clusters are in each condition. */
  conditions(): Record<ClusterCondition['state'], number> {
    const counts = { healthy: 0, unhealthy: 0, unknown: 0 };
    for (const { condition } of this.report()) counts[condition?.state ?? 'unknown'] += 1;
    return counts;
  }

  report(): ServedCluster[] {
    return [...this.#clusters.values()].map((cluster) => cluster.report());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#clusters.keys()].map((name) => this.drop(name, 'the agent is stopping')));
  }
}

class OpenCluster implements AsyncDisposable {
  readonly server: ApiServer;
  readonly upstream: HttpUpstream;
  readonly #deps: ServedClustersDeps;
  readonly #spec: ClusterSpec;
  readonly #labels: DynamicLabels;
  readonly #health: ClusterHealth;
  #isClosed = false;

  constructor(deps: ServedClustersDeps, spec: ClusterSpec, server: ApiServer) {
    this.server = server;
    this.upstream = new HttpUpstream(server);
    this.#deps = deps;
    this.#spec = spec;
    this.#labels = new DynamicLabels(
      { log: deps.log, mayRun: deps.mayRun, changed: () => this.#changed('labels changed') },
      spec.labelCommands,
    );
    this.#health = new ClusterHealth({
      log: deps.log,
      server,
      cluster: spec.name,
      changed: (reason) => this.#changed(reason),
    });
  }

  start(): void {
    this.#labels.start();
    this.#health.start();
  }

  get isOnline(): boolean {
    return this.#health.state.health === 'online';
  }

  report(): ServedCluster {
    const { name, origin, labels } = this.#spec;
    const { health, condition, version } = this.#health.state;
    // The operator's labels decide who has access, so what a command prints never replaces one.
    return {
      name,
      origin,
      labels: { ...this.#labels.current(), ...labels },
      health,
      condition,
      kubeVersion: version,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#health.stop();
    this.#labels.stop();
    await this.server[Symbol.asyncDispose]();
  }

  #changed(reason: string): void {
    if (!this.#isClosed) this.#deps.changed(this.#spec.name, this.report(), reason);
  }
}
