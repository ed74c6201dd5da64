import type { ServedCluster } from '@postern/contracts';
import { failure, messageOf } from '@postern/core';
import {
  ApiServer,
  type ApiServerRules,
  type ApiServerSettings,
  missingImpersonation,
  readVersion,
} from '@postern/kube';
import type { Logger } from '@postern/telemetry';
import { HttpUpstream } from '../forward/http-upstream.ts';
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
  readonly log: Logger;
  readonly rules: (origin: ServedCluster['origin']) => ApiServerRules;
  readonly mayRun: (program: string) => boolean;
  /** Told with the new state, or undefined when the cluster was dropped. */
  readonly changed: (name: string, cluster: ServedCluster | undefined, reason: string) => void;
}

const firstRetryMs = 1000;
const maxRetryMs = 30_000;
const onlineProbeMs = 60_000;

/** The clusters that this process serves, by name, each with its connection, health and labels. */
export class ServedClusters implements AsyncDisposable {
  readonly #deps: ServedClustersDeps;
  readonly #clusters = new Map<string, OpenCluster>();

  constructor(deps: ServedClustersDeps) {
    this.#deps = deps;
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
    return this.#clusters.get(name)?.report().health === 'online';
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
  readonly #closing = new AbortController();
  #health: ServedCluster['health'] = 'offline';
  #version = '';
  #timer: NodeJS.Timeout | undefined;
  #isReviewed = false;

  constructor(deps: ServedClustersDeps, spec: ClusterSpec, server: ApiServer) {
    this.server = server;
    this.upstream = new HttpUpstream(server);
    this.#deps = deps;
    this.#spec = spec;
    this.#labels = new DynamicLabels(
      { log: deps.log, mayRun: deps.mayRun, changed: () => this.#changed('labels changed') },
      spec.labelCommands,
    );
  }

  start(): void {
    this.#labels.start();
    void this.#probe(firstRetryMs);
  }

  report(): ServedCluster {
    const { name, origin, labels } = this.#spec;
    // The operator's labels decide who has access, so what a command prints never replaces one.
    return {
      name,
      origin,
      labels: { ...this.#labels.current(), ...labels },
      health: this.#health,
      kubeVersion: this.#version,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#timer);
    this.#labels.stop();
    await this.server[Symbol.asyncDispose]();
  }

  async #probe(retryMs: number): Promise<void> {
    const { log } = this.#deps;
    try {
      const version = await readVersion(this.server, this.#closing.signal);
      if (this.#closing.signal.aborted) return;
      this.#become('online', version);
      if (!this.#isReviewed) await this.#review();
      this.#again(onlineProbeMs, firstRetryMs);
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      if (this.#health === 'online' || retryMs === firstRetryMs) {
        log.warn('a cluster is offline', { cluster: this.#spec.name, reason: messageOf(error) });
      }
      this.#become('offline', this.#version);
      this.#again(retryMs, Math.min(retryMs * 2, maxRetryMs));
    }
  }

  #again(afterMs: number, retryMs: number): void {
    if (this.#closing.signal.aborted) return;
    this.#timer = setTimeout(() => void this.#probe(retryMs), afterMs);
    this.#timer.unref();
  }

  #become(health: ServedCluster['health'], version: string): void {
    if (health === this.#health && version === this.#version) return;
    this.#health = health;
    this.#version = version;
    this.#changed(health);
  }

  #changed(reason: string): void {
    if (!this.#closing.signal.aborted) this.#deps.changed(this.#spec.name, this.report(), reason);
  }

  /** A cluster whose credentials may not impersonate is served all the same; its operator is told. */
  async #review(): Promise<void> {
    this.#isReviewed = true;
    const missing = await missingImpersonation(this.server);
    if (missing.length === 0) return;
    this.#deps.log.warn('the credentials of a cluster may not impersonate everything', {
      cluster: this.#spec.name,
      missing: missing.join(', '),
    });
  }
}
