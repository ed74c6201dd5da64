import { setTimeout as wait } from 'node:timers/promises';
import {
  ClusterServed,
  decodeKubeconfig,
  kubeClusterKind,
  type KubeClusterSpec,
  mayConnect,
  parseKubeconfig,
  type Selector,
  type ServedCluster,
  type ViewEntry,
} from '@postern/contracts';
import { type Clock, failure, messageOf, parseDuration } from '@postern/core';
import type { ApiServerSettings } from '@postern/kube';
import type { Logger } from '@postern/telemetry';
import type { FactLog } from '../facts/fact-log.ts';
import type { OpenView, View } from '../views.ts';
import type { LabelCommands } from './dynamic-labels.ts';
import { EksClusters, type EksClustersConfig } from './eks-clusters.ts';
import { ServedClusters } from './served-clusters.ts';
import { staticClusters, type StaticClustersConfig } from './static-clusters.ts';

export const UnsupportedCluster = failure(
  'failed_precondition',
  'kube.unsupported_cluster',
  (name: string) => `authentication method provided for cluster ${JSON.stringify(name)} not supported`,
);

/** What the kube role is configured with. */
export interface KubeRoleConfig {
  /** Which kube_cluster resources to serve; undefined for none. */
  readonly selector: Selector | undefined;
  readonly statics: StaticClustersConfig;
  /** How clusters of EKS are reached. */
  readonly eks: Omit<EksClustersConfig, 'allowLoopback'>;
  /** Whether registered clusters may be on this very machine. */
  readonly allowLoopback: boolean;
  /** Absolute paths of programs that label commands may run. */
  readonly allowedCommands: readonly string[];
}

export interface KubeRoleDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly agentId: string;
  readonly openView: OpenView;
  /** The kubeconfig that is sealed in an entry of the view, base64. */
  readonly kubeconfigOf: (entry: ViewEntry) => Promise<string>;
  readonly facts: Pick<FactLog, 'add'>;
  /** Told whenever what is served changed, to report it. */
  readonly servedChanged: () => void;
}

const maxRetryMs = 30_000;

/** The kube role: serves exactly the clusters of its view and of its configuration, and says so on the bus. */
export class KubeRole implements AsyncDisposable {
  readonly clusters: ServedClusters;
  readonly #deps: KubeRoleDeps;
  readonly #config: KubeRoleConfig;
  readonly #eks: EksClusters;
  readonly #statics = new Set<string>();
  /** The latest change of each registered cluster; a newer one aborts what the one before still does. */
  readonly #changes = new Map<string, AbortController>();
  #view: View | undefined;
  #revision = 0;

  constructor(deps: KubeRoleDeps, config: KubeRoleConfig) {
    this.#deps = deps;
    this.#config = config;
    this.#eks = new EksClusters(deps, { ...config.eks, allowLoopback: config.allowLoopback });
    this.clusters = new ServedClusters({
      clock: deps.clock,
      log: deps.log,
      rules: (origin) => ({
        mayConnect: (address) =>
          mayConnect(address, { allowLoopback: origin === 'config-file' || config.allowLoopback }),
      }),
      mayRun: (program) => config.allowedCommands.includes(program),
      changed: (name, cluster, reason) => this.#changed(name, cluster, reason),
    });
  }

  /** Opens the clusters of the configuration and the view. The view fills in the background. */
  async start(): Promise<void> {
    for (const spec of await staticClusters(this.#config.statics, this.#deps.log)) {
      this.#statics.add(spec.name);
      await this.clusters.open(spec);
    }
    const { selector } = this.#config;
    if (selector) this.#view = this.#deps.openView({ selector, onChange: (entry) => this.#apply(entry) });
  }

  get ready(): Promise<void> {
    return this.#view?.ready ?? Promise.resolve();
  }

  servedNow(): { revision: number; clusters: ServedCluster[] } {
    return { revision: this.#revision, clusters: this.clusters.report() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#view?.close();
    for (const change of this.#changes.values()) change.abort();
    await this.clusters[Symbol.asyncDispose]();
    await this.#eks[Symbol.asyncDispose]();
  }

  #apply(entry: ViewEntry): void {
    if (entry.kind !== kubeClusterKind.kind) return;
    this.#changes.get(entry.id)?.abort();
    if (this.#statics.has(entry.id)) {
      if (entry.resource)
        this.#deps.log.warn('a registered cluster has the name of a configured one', { cluster: entry.id });
      return;
    }
    const change = new AbortController();
    this.#changes.set(entry.id, change);
    if (entry.resource) void this.#open(entry, change.signal);
    else void this.clusters.drop(entry.id, 'the cluster was removed or no longer matches');
  }

  async #open(entry: ViewEntry, signal: AbortSignal): Promise<void> {
    for (let retryMs = 1000; !signal.aborted; retryMs = Math.min(retryMs * 2, maxRetryMs)) {
      try {
        // What is sealed may have been sealed anew since, without any other change.
        const settings = await this.#settingsOf(this.#view?.get(entry.kind, entry.id) ?? entry);
        if (signal.aborted) return;
        const labels = { ...entry.resource!.metadata.labels };
        await this.clusters.open({
          name: entry.id,
          origin: 'dynamic',
          labels,
          settings,
          labelCommands: commandsOf(entry),
        });
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#deps.log.warn('a cluster cannot be served yet', {
          cluster: entry.id,
          reason: messageOf(error),
        });
      }
      await wait(retryMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async #settingsOf(entry: ViewEntry): Promise<ApiServerSettings> {
    const kubeconfig = await this.#deps.kubeconfigOf(entry);
    const { allowLoopback } = this.#config;
    if (kubeconfig !== '') return parseKubeconfig(decodeKubeconfig(kubeconfig), { allowLoopback });
    const { spec, metadata } = entry.resource!;
    const { aws, azure } = spec as unknown as KubeClusterSpec;
    if (!aws || azure) throw UnsupportedCluster(entry.id);
    const labels = { ...metadata.labels };
    return this.#eks.settingsOf({ aws, labels, moved: () => this.#reopen(entry.id) });
  }

  #reopen(name: string): void {
    const entry = this.#view?.get(kubeClusterKind.kind, name);
    if (entry?.resource) this.#apply(entry);
  }

  #changed(name: string, cluster: ServedCluster | undefined, reason: string): void {
    this.#revision += 1;
    const { agentId, clock, facts, servedChanged, log } = this.#deps;
    if (!cluster || reason === 'registered') {
      const state = cluster ? 'served' : 'dropped';
      log.info(cluster ? 'a cluster is served' : 'a cluster is not served any more', {
        cluster: name,
        reason,
      });
      facts.add(
        ClusterServed({ agentId, cluster: name, state, labels: cluster?.labels ?? {}, reason }),
        clock(),
      );
    }
    servedChanged();
  }
}

function commandsOf({ resource }: ViewEntry): LabelCommands {
  const { dynamic_labels: dynamic = {} } = resource!.spec as {
    dynamic_labels?: Record<string, { period: string; command: string[] }>;
  };
  return Object.fromEntries(
    Object.entries(dynamic).map(([key, { period, command }]) => [
      key,
      { periodMs: parseDuration(period), command },
    ]),
  );
}
