import type { ViewEntry } from '@postern/contracts';
import { type Clock, messageOf } from '@postern/core';
import type { HeldIdentity } from '@postern/identity';
import type { Telemetry } from '@postern/telemetry';
import type { OpenHead, StreamEvents, TunnelStream } from '@postern/tunnel';
import { agentFront } from './agent/agent-front.ts';
import { GrantCheck } from './agent/grant-check.ts';
import { KubeRole, type KubeRoleConfig } from './agent/kube-role.ts';
import { acceptStream } from './agent/tunnels/accept-stream.ts';
import { TunnelKeeper, type TunnelKeeperOptions } from './agent/tunnels/tunnel-keeper.ts';
import type { EdgeBus } from './edge/edge-bus.ts';
import { EdgeRole, type EdgeRoleConfig, type EdgeRoleDeps } from './edge/edge-role.ts';
import type { Peer } from './listen/peer.ts';
import { defaultLimits, type FrontLimits, TlsFront } from './listen/tls-front.ts';
import type { FactLog } from './facts/fact-log.ts';
import { reachableAt } from './listen/reachable-address.ts';
import { RecordingSpool, type SpoolConfig } from './recording/recordings.ts';
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
  /** PEM of the authority of the bus, where it is a private one. */
  readonly busCa?: (() => string | undefined) | undefined;
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
  /** host:port where other edges reach this one; where it listens, unless given. */
  readonly advertise?: string | undefined;
  readonly limits?: Partial<FrontLimits>;
  /** Where sessions are recorded until they are uploaded. */
  readonly recordings: SpoolConfig;
}

export interface KubeConfig extends KubeRoleConfig {
  /** Where edges of other processes are dialled; none where requests come from the edge of this process. */
  readonly tunnels?: Pick<TunnelKeeperOptions, 'addresses' | 'outbound'> | undefined;
  /** How long requests under way may go on when the agent stops. Milliseconds. */
  readonly closeGraceMs?: number;
}

/** The edge role running alone or beside a kube role of the same process. */
export interface EdgeService extends AsyncDisposable {
  readonly role: EdgeRole;
  readonly recordings: RecordingSpool;
  /** Answers once policy, clusters and routes are known; until then `/readyz` says so. */
  readonly ready: Promise<void>;
  listen(at: ListenAt): Promise<{ port: number }>;
}

export interface KubeService extends AsyncDisposable {
  readonly role: KubeRole;
  readonly tunnels: TunnelKeeper | undefined;
  /** Takes a request that an edge sent through a tunnel. */
  accept(stream: TunnelStream, head: OpenHead, peer: Peer): StreamEvents;
}

/** Starts the kube role. It listens nowhere: edges reach it through the tunnels that it opens to them. */
export async function kubeService(deps: KubeDeps, config: KubeConfig): Promise<KubeService> {
  const { clock, held, agentId, telemetry, facts, openView, kubeconfigOf, reportServed } = deps;
  const { log } = telemetry;
  const role = new KubeRole(
    { clock, log, agentId, openView, kubeconfigOf, facts, servedChanged: reportServed },
    config,
  );
  const grants = new GrantCheck({ agentId: () => agentId, trust: () => held.trust(), clock });
  const handlers = agentFront({ clusters: role.clusters, grants });
  const conditions = telemetry.meter.createObservableGauge('postern.kube.clusters');
  conditions.addCallback((result) => {
    for (const [condition, count] of Object.entries(role.clusters.conditions()))
      result.observe(count, { condition });
  });
  const accept: KubeService['accept'] = (stream, head, peer) => acceptStream(handlers, peer, stream, head);
  await role.start();
  const tunnels = config.tunnels && new TunnelKeeper({ held, clock, log, accept, ...config.tunnels });
  tunnels?.start();
  return {
    role,
    tunnels,
    accept,
    [Symbol.asyncDispose]: async () => {
      await tunnels?.drain(config.closeGraceMs ?? defaultLimits.closeGraceMs);
      await role[Symbol.asyncDispose]();
    },
  };
}

/** Starts the edge role. With the kube role of this process, requests for its clusters take no hop. */
export function edgeService(deps: EdgeDeps, config: EdgeConfig, kube?: KubeService): EdgeService {
  const { clock, held, agentId, telemetry, bus, facts, openView, policy } = deps;
  const { log, meter } = telemetry;
  const recordings = new RecordingSpool(config.recordings, log);
  let advertised = config.advertise ?? '';
  const role = new EdgeRole(
    {
      clock,
      log,
      held,
      agentId,
      bus,
      openView,
      policy,
      facts,
      recordings,
      local: kube?.role.clusters,
      serveHere: kube?.accept,
      busCa: () => deps.busCa?.(),
      advertised: () => advertised,
    },
    config,
  );
  const limits = { ...defaultLimits, ...config.limits };
  const front = new TlsFront({ held, clock, clients: 'all', limits }, role.handlers);
  meter
    .createObservableGauge('postern.kube.open_requests')
    .addCallback((result) => result.observe(role.open.size));
  meter
    .createObservableGauge('postern.kube.tunnels')
    .addCallback((result) => result.observe(role.tunnels.agents.size));
  observeFacts(meter, facts);
  const ready = role.start();
  ready.catch((error: unknown) => log.error('the edge cannot start', { reason: messageOf(error) }));
  return {
    role,
    recordings,
    ready,
    listen: async (at) => {
      const { port } = await front.listen(at);
      advertised ||= reachableAt({ host: at.host, port });
      role.tunnels.announce();
      return { port };
    },
    [Symbol.asyncDispose]: async () => {
      role.drain();
      await front.close();
      await role.tunnels.close(limits.closeGraceMs);
      await role[Symbol.asyncDispose]();
      await recordings[Symbol.asyncDispose]();
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
