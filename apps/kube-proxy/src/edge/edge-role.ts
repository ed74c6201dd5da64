import { setInterval } from 'node:timers';
import type { AccessCluster } from '@postern/access';
import {
  anyAgent,
  type ApiService,
  commandSubjects,
  everything,
  fromSubjectToken,
  Heartbeat,
  RoutesReply,
  routesSubject,
  ServedReport,
  type ViewEntry,
} from '@postern/contracts';
import { type Clock, messageOf } from '@postern/core';
import type { HeldIdentity } from '@postern/identity';
import type { Logger } from '@postern/telemetry';
import { Compile } from 'typebox/compile';
import type { ServedClusters } from '../agent/served-clusters.ts';
import type { FactLog } from '../facts/fact-log.ts';
import { OpenCounts } from '../limits/open-counts.ts';
import { RequestRates } from '../limits/request-rates.ts';
import { defaultUserLimits, type UserLimits } from '../limits/user-limits.ts';
import type { FrontHandlers } from '../listen/tls-front.ts';
import { Decisions, PolicyTooOld } from '../request/decisions.ts';
import { OpenRequests } from '../streams/open-requests.ts';
import type { OpenView, View } from '../views.ts';
import { accessReviews } from './access-review.ts';
import { accessPolicy, type LivePolicy } from './access-policy.ts';
import { AgentLocked, refuseLocked } from './agent-lock.ts';
import { AgentUpstreams } from './agent-upstreams.ts';
import { ApiFront } from './api-front.ts';
import { clusterNamed } from './cluster-directory.ts';
import { edgeFront } from './edge-front.ts';
import { Grants } from './grants.ts';
import { KubeEdge } from './kube-edge.ts';
import { RequestAudit } from './request-audit.ts';
import { Routes } from './routes.ts';

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
}

interface Message {
  readonly subject: string;
  json(): unknown;
}

/** The parts of the bus that the edge needs. */
export interface EdgeBus {
  publish(subject: string, message: unknown): unknown;
  request(subject: string, message: unknown, options: { timeoutMs: number }): Promise<unknown>;
  subscribe(
    subject: string,
    options: object,
    handler: (message: Message) => void,
  ): { unsubscribe(): unknown };
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
  /** The clusters that this process serves itself. */
  readonly local: ServedClusters | undefined;
}

const isReport = Compile(ServedReport);
const isHeartbeat = Compile(Heartbeat);
const isRoutes = Compile(RoutesReply);

const sweepMs = 1000;
/** Users expire without an event; so decisions are made anew now and then. */
const recheckMs = 10_000;
const askAgainMs = 5000;

/** The edge role: the public address, decided by live policy, routed by what agents report. */
export class EdgeRole implements AsyncDisposable {
  readonly handlers: FrontHandlers;
  readonly open: OpenRequests;
  readonly routes: Routes;
  readonly #deps: EdgeRoleDeps;
  readonly #decisions: Decisions;
  readonly #api: ApiFront;
  readonly #upstreams: AgentUpstreams;
  readonly #clusters = new Map<string, AccessCluster | undefined>();
  readonly #askedAt = new Map<string, number>();
  readonly #maxStreamPolicyAgeMs: number;
  readonly #disposables: (() => unknown)[] = [];
  #view: View | undefined;
  #isReady = false;

  constructor(deps: EdgeRoleDeps, config: EdgeRoleConfig) {
    this.#deps = deps;
    this.#maxStreamPolicyAgeMs = config.maxStreamPolicyAgeMs;
    const { clock, log, held, local } = deps;
    const policy = accessPolicy(deps.policy);
    const limits = { ...defaultUserLimits, ...config.userLimits };
    this.routes = new Routes(clock);
    this.#decisions = new Decisions(policy, clock, config.maxPolicyAgeMs);
    this.open = new OpenRequests(
      (request) => {
        const agentLock = request.agentId !== undefined && policy.lockOnAgent(request.agentId);
        if (agentLock) return AgentLocked(request.cluster, agentLock);
        const cluster = this.#clusterNamed(request.cluster);
        return cluster && this.#decisions.decideAnyAge({ ...request, cluster });
      },
      new OpenCounts(limits, policy.maxConnections),
    );
    this.#upstreams = new AgentUpstreams(held);
    this.#api = new ApiFront({
      clock,
      log,
      held,
      refuseLocked: (principal) => refuseLocked(policy.lockOf(principal)),
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
        upstreams: this.#upstreams,
        grants: new Grants(held, clock),
        ownAgentId: () => deps.agentId,
        lockOnAgent: (agentId) => policy.lockOnAgent(agentId),
        isRegistered: (name) => this.#view?.get('kube_cluster', name)?.resource !== undefined,
      },
      audit: new RequestAudit({ facts: deps.facts, edge: deps.agentId, clock }),
    });
    const facts = { clusterName: () => held.trust().clusterName, publicAddress: () => config.publicAddress };
    this.handlers = edgeFront({ kube, api: this.#api, facts, isReady: () => this.#isReady });
  }

  /** Follows policy, clusters and agents; resolves when all three are known, and only then is the edge ready. */
  async start(): Promise<void> {
    const { policy, openView } = this.#deps;
    this.#disposables.push(policy.onChange(() => this.#policyChanged()));
    this.#view = openView({
      selector: everything('kube_cluster'),
      onChange: (entry) => this.#clusterChanged(entry),
    });
    this.#followAgents();
    const sweep = setInterval(() => this.#sweep(), sweepMs);
    const recheck = setInterval(() => this.#policyChanged(), recheckMs);
    this.#disposables.push(
      () => clearInterval(sweep),
      () => clearInterval(recheck),
    );
    await Promise.all([policy.ready, this.#view.ready, this.#askForRoutes()]);
    this.servedChanged();
    this.#isReady = true;
  }

  /** Readiness goes red before the listener closes, so that balancers look elsewhere. */
  drain(): void {
    this.#isReady = false;
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
    await this.#upstreams[Symbol.asyncDispose]();
  }

  #policyChanged(): void {
    this.#decisions.clear();
    void this.open.recheck();
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

  #followAgents(): void {
    const { bus } = this.#deps;
    const subscriptions = [
      bus.subscribe(anyAgent.served, {}, (message) => this.#served(message)),
      bus.subscribe(anyAgent.heartbeat, {}, (message) => this.#heartbeat(message)),
      bus.subscribe(anyAgent.goodbye, {}, ({ subject }) => {
        this.routes.goodbye(agentIdOf(subject));
        this.servedChanged();
      }),
    ];
    this.#disposables.push(() => subscriptions.map((subscription) => subscription.unsubscribe()));
  }

  /** The agent is the one whose subject it is, whatever the message says. */
  #served(message: Message): void {
    const report = message.json();
    if (!isReport.Check(report)) return;
    const agentId = agentIdOf(message.subject);
    if (agentId !== this.#deps.agentId && this.routes.report({ ...report, agentId })) this.servedChanged();
  }

  #heartbeat(message: Message): void {
    const heartbeat = message.json();
    const agentId = agentIdOf(message.subject);
    if (!isHeartbeat.Check(heartbeat) || agentId === this.#deps.agentId) return;
    if (!heartbeat.services.includes('Kube') || this.routes.heartbeat({ ...heartbeat, agentId })) return;
    const now = this.#deps.clock().getTime();
    if (now - (this.#askedAt.get(agentId) ?? 0) < askAgainMs) return;
    this.#askedAt.set(agentId, now);
    this.#deps.bus.publish(commandSubjects.reportServed(agentId), {});
  }

  /** Without inventory-svc the edge learns the same from the agents' next heartbeats. */
  async #askForRoutes(): Promise<void> {
    try {
      const reply = await this.#deps.bus.request(routesSubject, {}, { timeoutMs: 2000 });
      if (!isRoutes.Check(reply)) return;
      for (const report of reply.reports)
        if (report.agentId !== this.#deps.agentId) this.routes.report(report);
    } catch (error) {
      this.#deps.log.warn('routes are not known yet', { reason: messageOf(error) });
    }
  }
}

function agentIdOf(subject: string): string {
  return fromSubjectToken(subject.split('.')[1] ?? '');
}
