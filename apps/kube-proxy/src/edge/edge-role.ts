import { setInterval } from 'node:timers';
import type { AccessCluster } from '@postern/access';
import { type ApiService, everything, type ViewEntry } from '@postern/contracts';
import type { Clock } from '@postern/core';
import type { HeldIdentity } from '@postern/identity';
import type { Logger } from '@postern/telemetry';
import type { ServedClusters } from '../agent/served-clusters.ts';
import type { FactLog } from '../facts/fact-log.ts';
import { OpenCounts } from '../limits/open-counts.ts';
import { RequestRates } from '../limits/request-rates.ts';
import { defaultUserLimits, type UserLimits } from '../limits/user-limits.ts';
import type { PortHandlers } from '../listen/tls-front.ts';
import { Decisions, PolicyTooOld } from '../request/decisions.ts';
import type { Recordings } from '../recording/recordings.ts';
import { type DecideAgain, type OpenRequest, OpenRequests } from '../streams/open-requests.ts';
import type { OpenView, View } from '../views.ts';
import { accessReviews } from './access-review.ts';
import { accessPolicy, type LivePolicy } from './access-policy.ts';
import { AgentLocked, type LockOnAgent, refuseLocked } from './agent-lock.ts';
import { AgentNews } from './agent-news.ts';
import { ApiFront } from './api-front.ts';
import { BusFront } from './bus-front.ts';
import { clusterNamed } from './cluster-directory.ts';
import type { EdgeBus } from './edge-bus.ts';
import { edgeFront } from './edge-front.ts';
import { Grants } from './grants.ts';
import { KubeEdge } from './kube-edge.ts';
import { RequestAudit } from './request-audit.ts';
import { Routes } from './routes.ts';
import { EdgeTunnels } from './tunnels/edge-tunnels.ts';
import type { TunnelGateDeps } from './tunnels/tunnel-gate.ts';

/** What the edge is configured with. Times are milliseconds. */
export interface EdgeRoleConfig {
  /** host:port that clients use. */
  readonly publicAddress: string;
  readonly services: Readonly<Record<ApiService, readonly string[]>>;
  /** After this long without contact to where roles come from, new requests are refused. */
  readonly maxPolicyAgeMs: number;
  /** After this long even what is open is cut. */
  readonly maxStreamPolicyAgeMs: number;
  readonly maxApiBodyBytes: number;
  /** What one user may have; the default where nothing is said. */
  readonly userLimits?: Partial<UserLimits>;
  /** WebSocket listeners of the NATS servers; none where the bus is not offered to agents here. */
  readonly busServers?: readonly string[] | undefined;
}

export interface EdgeRoleDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly held: HeldIdentity;
  readonly agentId: string;
  readonly bus: EdgeBus;
  readonly openView: OpenView;
  readonly policy: LivePolicy & {
    readonly ready: Promise<void>;
    onChange(callback: () => void): () => void;
  };
  readonly facts: FactLog;
  readonly recordings: Recordings;
  /** The clusters that this process serves itself. */
  readonly local: ServedClusters | undefined;
  /** Takes streams of other edges for those. */
  readonly serveHere: TunnelGateDeps['serveHere'];
  /** PEM of the authority of the bus, where it is a private one. */
  readonly busCa: () => string | undefined;
  /** host:port where other edges reach this one. */
  readonly advertised: () => string;
}

const sweepMs = 1000;
/** Users expire without an event; so decisions are made anew now and then. */
const recheckMs = 10_000;

/** The edge role: the public address, decided by live policy, routed by what agents report. */
export class EdgeRole implements AsyncDisposable {
  readonly handlers: PortHandlers;
  readonly open: OpenRequests;
  readonly routes: Routes;
  readonly #deps: EdgeRoleDeps;
  readonly #decisions: Decisions;
  readonly #api: ApiFront;
  readonly #bus: BusFront;
  readonly tunnels: EdgeTunnels;
  readonly #clusters = new Map<string, AccessCluster | undefined>();
  readonly #news: AgentNews;
  readonly #maxStreamPolicyAgeMs: number;
  readonly #disposables: (() => unknown)[] = [];
  #view: View | undefined;
  #isReady = false;
  #hasBegun = false;

  constructor(deps: EdgeRoleDeps, config: EdgeRoleConfig) {
    this.#deps = deps;
    this.#maxStreamPolicyAgeMs = config.maxStreamPolicyAgeMs;
    const { clock, log, held, local } = deps;
    const policy = accessPolicy(deps.policy);
    const limits = { ...defaultUserLimits, ...config.userLimits };
    const { lockOnAgent } = policy;
    this.tunnels = edgeTunnels(deps, lockOnAgent);
    const { reach, hearing } = this.tunnels;
    this.routes = new Routes({ clock, placeOf: (id) => reach.placeOf(id), hearing });
    this.#news = this.#follower();
    this.#decisions = new Decisions(policy, clock, config.maxPolicyAgeMs);
    const counts = new OpenCounts(limits, policy.maxConnections);
    this.open = new OpenRequests((request) => this.#decideAgain(request), counts);
    this.#api = new ApiFront({
      clock,
      log,
      held,
      refuseLocked: (principal, service) => refuseLocked(policy.lockOnCaller(principal, service)),
      services: config.services,
      maxBodyBytes: config.maxApiBodyBytes,
    });
    const kube = new KubeEdge({
      clock,
      log,
      clusterName: () => held.trust().clusterName,
      policy,
      decisions: this.#decisions,
      clusterNamed: (name) => this.#clusterNamed(name),
      open: this.open,
      rates: new RequestRates(clock, limits.requestsPerSecond),
      reviews: accessReviews(policy.accessOf),
      dispatch: {
        local,
        routes: this.routes,
        reach,
        grants: new Grants(held, clock),
        ownAgentId: () => deps.agentId,
        lockOnAgent,
        isRegistered: (name) => this.#view?.get('kube_cluster', name)?.resource !== undefined,
      },
      audit: new RequestAudit({ facts: deps.facts, edge: deps.agentId, clock }),
      recordings: deps.recordings,
    });
    const { busServers: servers = [] } = config;
    this.#bus = new BusFront({ clock, log, servers, ca: deps.busCa, lockOnAgent });
    const facts = { clusterName: () => held.trust().clusterName, publicAddress: () => config.publicAddress };
    this.handlers = edgeFront({
      kube,
      api: this.#api,
      facts,
      isReady: () => this.#isReady,
      hasBegun: () => this.#hasBegun,
      bus: this.#bus,
      tunnels: this.tunnels,
    });
  }

  /** Follows policy, clusters, agents and other edges; resolves when all of them are known, and only then is the edge ready. */
  async start(): Promise<void> {
    const { policy, openView } = this.#deps;
    this.#disposables.push(policy.onChange(() => this.#locksMayHaveChanged()));
    this.#view = openView({
      selector: everything('kube_cluster'),
      onChange: (entry) => this.#clusterChanged(entry),
    });
    this.#disposables.push(this.#news.follow());
    const others = this.tunnels.start();
    const sweep = setInterval(() => this.#sweep(), sweepMs);
    const recheck = setInterval(() => this.#policyChanged(), recheckMs);
    this.#disposables.push(
      () => clearInterval(sweep),
      () => clearInterval(recheck),
    );
    await Promise.all([policy.ready, this.#view.ready, this.#news.askForRoutes(), others]);
    this.servedChanged();
    this.#isReady = true;
    this.#hasBegun = true;
  }

  /** Readiness goes red before the listener closes, so that balancers look elsewhere. */
  drain(): void {
    this.#isReady = false;
    this.tunnels.leave();
  }

  /** What is served, here or elsewhere, changed: labels and existence of clusters may have. */
  servedChanged(): void {
    this.#clusters.clear();
    this.#policyChanged();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isReady = false;
    for (const dispose of this.#disposables) await dispose();
    await this.#view?.close();
    await this.#api[Symbol.asyncDispose]();
    await this.tunnels.close(0);
  }

  #follower(): AgentNews {
    const { bus, clock, log, agentId } = this.#deps;
    return new AgentNews({
      bus,
      clock,
      log,
      ownAgentId: agentId,
      routes: this.routes,
      changed: () => this.servedChanged(),
      revoked: (id) => this.tunnels.agents.revoke(id),
    });
  }

  #policyChanged(): void {
    this.#decisions.clear();
    void this.open.recheck();
  }

  #decideAgain(request: OpenRequest): ReturnType<DecideAgain> {
    const lock = request.agentId !== undefined && this.#deps.policy.lockOnAgent(request.agentId);
    if (lock) return AgentLocked(request.cluster, lock);
    const cluster = this.#clusterNamed(request.cluster);
    return cluster && this.#decisions.decideAnyAge({ ...request, cluster });
  }

  #locksMayHaveChanged(): void {
    this.#policyChanged();
    this.tunnels.agents.cutLocked();
    this.#bus.cutLocked();
  }

  #sweep(): void {
    this.open.cutExpired(this.#deps.clock());
    if (this.#deps.policy.ageMs() > this.#maxStreamPolicyAgeMs) this.open.cutAll(PolicyTooOld());
  }

  #clusterChanged({ id }: ViewEntry): void {
    this.#clusters.delete(id);
    this.#policyChanged();
  }

  #clusterNamed(name: string): AccessCluster | undefined {
    const known = this.#clusters.get(name);
    if (known) return known;
    const cluster = clusterNamed(name, {
      registered: (id) => this.#view?.get('kube_cluster', id),
      served: (id) => [...this.routes.served(id), ...this.#servedHere(id)],
    });
    if (cluster) this.#clusters.set(name, cluster);
    return cluster;
  }

  #servedHere(name: string) {
    return this.#deps.local?.report().filter((cluster) => cluster.name === name) ?? [];
  }
}

function edgeTunnels(
  { clock, log, held, bus, agentId: edgeId, advertised: address, serveHere }: EdgeRoleDeps,
  lockOnAgent: LockOnAgent,
): EdgeTunnels {
  return new EdgeTunnels({ clock, log, held, bus, edgeId, address, serveHere, lockOnAgent });
}
