import { startHeartbeat } from '@postern/agent';
import { type Bus, openView } from '@postern/bus';
import { everything, policySelector, type Selector, selectorHash, type ViewEntry } from '@postern/contracts';
import type { Clock } from '@postern/core';
import type { Readiness } from '@postern/http';
import { type HeldIdentity, signViewProof } from '@postern/identity';
import { openPolicy } from '@postern/policy';
import type { Telemetry } from '@postern/telemetry';
import { ViewSecrets } from './agent/view-secrets.ts';
import { type FactSettings, openFacts } from './facts/open-facts.ts';
import {
  type EdgeConfig,
  type EdgeDeps,
  type EdgeService,
  edgeService,
  type KubeConfig,
  type KubeProxyDeps,
  type KubeService,
  kubeService,
  type ListenAt,
} from './service.ts';
import { RecordingUploads } from './uploads/recording-uploads.ts';
import { sendRecording } from './uploads/send-recording.ts';

/** What the process runs on; whoever opened it closes it. */
export interface KubeProxyServiceDeps {
  readonly bus: Bus;
  readonly held: HeldIdentity;
  readonly agentId: string;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  /** PEM of the authority of the bus, where it is a private one. */
  readonly busCa?: (() => string | undefined) | undefined;
  /** Shared with the diagnostics listener. */
  readonly readiness?: Readiness;
}

/** Which roles the process has and where they listen. A role that is absent does not run. */
export interface KubeProxyServiceConfig {
  readonly hostname: string;
  readonly heartbeatIntervalMs: number;
  readonly facts: FactSettings;
  readonly edge?: (EdgeConfig & { readonly listen: ListenAt }) | undefined;
  readonly kube?: KubeConfig | undefined;
}

export interface KubeProxyService extends AsyncDisposable {
  /** Settles when the edge knows policy, clusters and routes, and the kube role its view and has a tunnel. */
  readonly ready: Promise<void>;
  readonly edgePort: number | undefined;
}

/** Hashes of the views that a process with these roles opens: they belong into its join request. */
export function viewsOf({
  edge,
  kube,
}: {
  readonly edge: boolean;
  readonly kube: Selector | undefined;
}): string[] {
  const selectors = [...(edge ? [policySelector, everything('kube_cluster')] : []), ...(kube ? [kube] : [])];
  return selectors.map(selectorHash);
}

const reportAfterMs = 50;

/** Both roles of kube-proxy, or one of them, in one process. */
export async function kubeProxyService(
  deps: KubeProxyServiceDeps,
  config: KubeProxyServiceConfig,
): Promise<KubeProxyService> {
  const { bus, held, agentId, telemetry, clock, readiness } = deps;
  const scope = new AsyncDisposableStack();
  const report = new ReportSoon(reportAfterMs);
  try {
    const base: KubeProxyDeps = {
      clock,
      telemetry,
      held,
      agentId,
      bus,
      facts: scope.use(await openFacts({ bus, agentId, clock, log: telemetry.log }, config.facts)),
      openView: (options) =>
        openView(bus, { agentId, clock, prove: (hash) => signViewProof(held, { hash }, clock), ...options }),
    };
    const kube = config.kube && scope.use(await startKube(base, config.kube, report));
    const edge = config.edge && scope.use(startEdge({ ...base, busCa: deps.busCa }, config.edge, kube));
    const inventory = config.edge?.services['inventory-svc'] ?? [];
    if (edge && inventory.length > 0) {
      const folder = await edge.recordings.folder();
      const send = sendRecording(held, inventory);
      scope.use(await RecordingUploads.start({ folder, send, log: telemetry.log }));
    }
    const edgePort = config.edge && (await edge!.listen(config.edge.listen)).port;
    const heartbeats = startHeartbeat({
      bus,
      identity: { agentId },
      hostname: config.hostname,
      telemetry,
      clock,
      services: [...(edge ? ['Proxy'] : []), ...(kube ? ['Kube'] : [])],
      intervalMs: config.heartbeatIntervalMs,
      ...(kube ? { servedReport: () => kube.role.servedNow() } : {}),
    });
    scope.use(heartbeats);
    report.start(() => {
      heartbeats.reportServed();
      edge?.role.servedChanged();
    });
    scope.defer(() => report.stop());
    scope.defer(() => readiness?.stop());
    const ready = Promise.all([edge?.ready, kube?.role.ready, kube?.tunnels?.ready]).then(() =>
      readiness?.setReady(true),
    );
    return { ready, edgePort, [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose]() };
  } catch (error) {
    await scope[Symbol.asyncDispose]();
    throw error;
  }
}

function startKube(
  base: KubeProxyDeps,
  config: NonNullable<KubeProxyServiceConfig['kube']>,
  report: ReportSoon,
): Promise<KubeService> {
  const { bus, held, agentId, clock } = base;
  const hash = config.selector ? selectorHash(config.selector) : '';
  const secrets = new ViewSecrets({ bus: bus as Bus, held, agentId, clock, hash });
  const kubeconfigOf = (entry: ViewEntry) => secrets.kubeconfigOf(entry);
  return kubeService({ ...base, kubeconfigOf, reportServed: () => report.soon() }, config);
}

function startEdge(
  base: KubeProxyDeps & Pick<EdgeDeps, 'busCa'>,
  config: EdgeConfig,
  kube: KubeService | undefined,
): EdgeService {
  const { clock, agentId, telemetry } = base;
  const policy = openPolicy(base.bus as Bus, agentId, {
    clock,
    prove: (hash) => signViewProof(base.held, { hash }, clock),
    snapshotIntervalMs: Math.min(60_000, config.maxPolicyAgeMs / 4),
    onUnreadable: (kind, id, why) => telemetry.log.warn('a resource cannot be read', { kind, id, why }),
  });
  const edge = edgeService({ ...base, policy }, config, kube);
  return {
    ...edge,
    [Symbol.asyncDispose]: async () => {
      await edge[Symbol.asyncDispose]();
      await policy[Symbol.asyncDispose]();
    },
  };
}

/** Tells of several changes at once: five hundred clusters that open at the start are one report and not five hundred. */
class ReportSoon {
  readonly #afterMs: number;
  #report: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(afterMs: number) {
    this.#afterMs = afterMs;
  }

  start(report: () => void): void {
    this.#report = report;
    this.soon();
  }

  soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#report?.();
    }, this.#afterMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#report = undefined;
  }
}
