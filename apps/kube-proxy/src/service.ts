import type { ViewEntry } from '@postern/contracts';
import { type Clock, messageOf } from '@postern/core';
import type { HeldIdentity } from '@postern/identity';
import type { Telemetry } from '@postern/telemetry';
import { agentFront } from './agent/agent-front.ts';
import { GrantCheck } from './agent/grant-check.ts';
import { KubeRole, type KubeRoleConfig } from './agent/kube-role.ts';
import { type EdgeBus, EdgeRole, type EdgeRoleConfig, type EdgeRoleDeps } from './edge/edge-role.ts';
import { defaultLimits, type FrontLimits, TlsFront } from './listen/tls-front.ts';
import type { FactLog } from './facts/fact-log.ts';
import type { OpenView } from './views.ts';

/** What both roles need. */
export interface KubeProxyDeps {
  readonly clock: Clock;
  readonly telemetry: Pick<Telemetry, 'log' | 'meter'>;
  readonly held: HeldIdentity;
  readonly agentId: string;
  readonly bus: EdgeBus;
  readonly facts: FactLog;
  readonly openView: OpenView;
}

export interface EdgeDeps extends KubeProxyDeps {
  readonly policy: EdgeRoleDeps['policy'];
}

export interface KubeDeps extends KubeProxyDeps {
  /** The kubeconfig that is sealed in an entry of the kube role's view, base64. */
  readonly kubeconfigOf: (entry: ViewEntry) => Promise<string>;
  /** Publishes what is served, now. */
  readonly reportServed: () => void;
}

export interface ListenAt {
  readonly host: string;
  readonly port: number;
}

export interface EdgeConfig extends EdgeRoleConfig {
  readonly limits?: Partial<FrontLimits>;
}

export interface KubeConfig extends KubeRoleConfig {
  readonly limits?: Partial<FrontLimits>;
}

/** The edge role running alone or beside a kube role of the same process. */
export interface EdgeService extends AsyncDisposable {
  readonly role: EdgeRole;
  /** Answers once policy, clusters and routes are known; until then `/readyz` says so. */
  readonly ready: Promise<void>;
  listen(at: ListenAt): Promise<{ port: number }>;
}

export interface KubeService extends AsyncDisposable {
  readonly role: KubeRole;
  listen(at: ListenAt): Promise<{ port: number }>;
}

/** Starts the kube role. `listen` is for edges in other processes; one in this process needs no listener. */
export async function kubeService(deps: KubeDeps, config: KubeConfig): Promise<KubeService> {
  const { clock, held, agentId, telemetry, facts, openView, kubeconfigOf, reportServed } = deps;
  const role = new KubeRole(
    { clock, log: telemetry.log, agentId, openView, kubeconfigOf, facts, servedChanged: reportServed },
    config,
  );
  const grants = new GrantCheck({ agentId: () => agentId, trust: () => held.trust(), clock });
  const handlers = agentFront({ clusters: role.clusters, grants });
  const limits = { ...defaultLimits, ...config.limits };
  const front = new TlsFront({ held, clock, clients: 'host', protocols: ['http/1.1'], limits }, handlers);
  const conditions = telemetry.meter.createObservableGauge('postern.kube.clusters');
  conditions.addCallback((result) => {
    for (const [condition, count] of Object.entries(role.clusters.conditions()))
      result.observe(count, { condition });
  });
  await role.start();
  return {
    role,
    listen: (at) => front.listen(at),
    [Symbol.asyncDispose]: async () => {
      await front.close();
      await role[Symbol.asyncDispose]();
    },
  };
}

/** Starts the edge role. With the kube role of this process, requests for its clusters take no hop. */
export function edgeService(deps: EdgeDeps, config: EdgeConfig, kube?: KubeService): EdgeService {
  const { clock, held, agentId, telemetry, bus, facts, openView, policy } = deps;
  const { log, meter } = telemetry;
  const role = new EdgeRole(
    { clock, log, held, agentId, bus, openView, policy, facts, local: kube?.role.clusters },
    config,
  );
  const limits = { ...defaultLimits, ...config.limits };
  const front = new TlsFront(
    { held, clock, clients: 'all', protocols: ['h2', 'http/1.1'], limits },
    role.handlers,
  );
  meter
    .createObservableGauge('postern.kube.open_requests')
    .addCallback((result) => result.observe(role.open.size));
  observeFacts(meter, facts);
  const ready = role.start();
  ready.catch((error: unknown) => log.error('the edge cannot start', { reason: messageOf(error) }));
  return {
    role,
    ready,
    listen: (at) => front.listen(at),
    [Symbol.asyncDispose]: async () => {
      role.drain();
      await front.close();
      await role[Symbol.asyncDispose]();
    },
  };
}

function observeFacts(meter: Telemetry['meter'], facts: FactLog): void {
  const gauges = {
    'postern.kube.audit_backlog': () => facts.backlog,
    'postern.kube.audit_journal_bytes': () => facts.usedBytes,
    'postern.kube.audit_promises': () => facts.promises,
    'postern.kube.audit_refusing': () => Number(facts.mustRefuse),
  };
  for (const [name, value] of Object.entries(gauges))
    meter.createObservableGauge(name).addCallback((result) => result.observe(value()));
  meter
    .createObservableCounter('postern.kube.audit_lost')
    .addCallback((result) => result.observe(facts.lost));
}
