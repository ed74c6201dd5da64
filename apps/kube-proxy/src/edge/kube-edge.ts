import { type AccessCluster, userNameOf } from '@postern/access';
import { type AppError, type Clock, toAppError, uuidv7 } from '@postern/core';
import { type Principal, spiffeId } from '@postern/identity';
import { statusCode } from '@postern/kube';
import type { Logger } from '@postern/telemetry';
import type { Exchange } from '../listen/exchange.ts';
import { readsDiscovery, refuseDiscovery, refuseKube, sendText } from '../listen/refuse.ts';
import { RewrittenAnswer } from '../listen/rewritten-answer.ts';
import type { UpgradeExchange } from '../listen/tls-front.ts';
import { AuditUnavailable } from '../facts/fact-log.ts';
import { refuseUpgrade } from '../forward/upgrade.ts';
import type { AnswerHeaders } from '../forward/upstream.ts';
import { authenticateUser } from '../request/authenticate.ts';
import {
  authorize,
  type Authorization,
  type Authorized,
  grantedDecision,
  needsBody,
} from '../request/authorize.ts';
import { type ClientHeaders, InvalidHeaders, readClientHeaders } from '../request/client-headers.ts';
import type { Decisions } from '../request/decisions.ts';
import { readAskedImpersonation } from '../request/impersonate.ts';
import { maxObjectBytes, readBody } from '../request/object-identity.ts';
import { readTarget } from '../request/read-target.ts';
import { type RequestInfo, switchesProtocols } from '../request/request-info.ts';
import type { RequestRates } from '../limits/request-rates.ts';
import type { OpenRequests } from '../streams/open-requests.ts';
import type { Recordings } from '../recording/recordings.ts';
import type { LockOnAgent } from './agent-lock.ts';
import { UnsupportedUpgrade } from '../upgrades/handshake.ts';
import { type AccessReviews, asJson, isAccessReview } from './access-review.ts';
import { ClusterNotFound, TeleportClusterNotFound } from './cluster-directory.ts';
import { CountedUpgrade } from './counted-upgrade.ts';
import { dispatch, type DispatchDeps, type Dispatched, dispatchUpgrade } from './dispatch.ts';
import type { RequestAudit } from './request-audit.ts';
import { RequestRecord } from './request-record.ts';
import { startRequest } from './start-request.ts';
import { guardStream, requireRecordable } from './stream-guard.ts';
import { TrackedRequest } from './tracked-request.ts';

/** The id under which a request is recorded, told with every answer. */
export const requestIdHeader = 'postern-request-id';

/** What the edge decides by. */
export interface EdgePolicy {
  revision(): string;
  /** Whether some rule denies the user some resources, wherever. */
  hasDenials(principal: Principal): boolean;
  readonly lockOnAgent: LockOnAgent;
}

export interface KubeEdgeDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly clusterName: () => string;
  readonly policy: EdgePolicy;
  readonly decisions: Decisions;
  readonly clusterNamed: (name: string) => AccessCluster | undefined;
  readonly open: OpenRequests;
  readonly rates: RequestRates;
  readonly reviews: AccessReviews;
  readonly dispatch: DispatchDeps;
  readonly audit: RequestAudit;
  readonly recordings: Recordings;
}

/** A request that was read, and what is known of it so far. */
interface Incoming {
  readonly principal: Principal;
  readonly cluster: AccessCluster;
  readonly info: RequestInfo;
  readonly headers: ClientHeaders;
  readonly record: RequestRecord;
}

/** The edge's way of a Kubernetes request: who, where, what, whether; then on to the agent, and one audit record. */
export class KubeEdge {
  readonly #deps: KubeEdgeDeps;

  constructor(deps: KubeEdgeDeps) {
    this.#deps = deps;
  }

  request(exchange: Exchange): void {
    const record = this.#newRecord(exchange);
    exchange.answer.extra = [requestIdHeader, record.requestId];
    try {
      const incoming = this.#read(exchange, record);
      if (exchange.hasBody && (exchange.method === 'GET' || exchange.method === 'HEAD')) {
        throw InvalidHeaders(`a ${exchange.method} has no body`);
      }
      const question = this.#question(incoming);
      const isReview = isAccessReview(incoming.info);
      if (exchange.hasBody && (isReview || needsBody(this.#deps.decisions, question))) {
        void this.#withBody(exchange, incoming, question);
      } else this.#forward(exchange, incoming, authorize(this.#deps.decisions, question, undefined));
    } catch (error) {
      this.#refuse(exchange, record, error);
    }
  }

  upgrade(exchange: UpgradeExchange): void {
    const { audit } = this.#deps;
    const record = this.#newRecord(exchange);
    const refuse = (error: unknown) => {
      const refusal = this.#refused(record, error);
      if (!exchange.answer.isClosed) refuseUpgrade(exchange.answer, refusal);
      this.#tellRefused(record, refusal);
    };
    try {
      const incoming = this.#read(exchange, record);
      if (!switchesProtocols(incoming.info)) throw UnsupportedUpgrade();
      const authorized = authorize(this.#deps.decisions, this.#question(incoming), undefined);
      record.allowed(authorized, this.#deps.policy.revision());
      const tracked = this.#track(incoming, authorized);
      const client = new CountedUpgrade(exchange.answer);
      const via = (agentId: string) => tracked.goesVia(agentId, this.#deps.policy);
      const reply = {
        begun: (status: number) => {
          record.begun(status);
          audit.began(record);
        },
        done: (error: AppError | undefined) => {
          this.#deps.open.remove(tracked);
          if (error && record.status === 0) record.failed(error, statusCode(error));
          Object.assign(record.traffic, client.traffic);
          audit.ended(record, error, tracked.cutBy);
        },
      };
      const begin = () => {
        const guard = guardStream(this.#deps.recordings, {
          ...incoming,
          answer: client,
          mode: authorized.decision.recording,
          cut: (error) => tracked.cut(error),
        });
        const request = this.#dispatched({ ...incoming, info: guard.info }, authorized);
        return guard.start(reply, (guarded) => {
          record.isRecorded = guard.isRecorded;
          return dispatchUpgrade(this.#deps.dispatch, request, { ...guarded, via });
        });
      };
      const isGone = () => client.isClosed;
      startRequest(this.#deps.open, { tracked, isGone, begin, refuse }, audit.beforeSending(record, true));
    } catch (error) {
      refuse(error);
    }
  }

  #newRecord({ method, target, peer }: Pick<Exchange, 'method' | 'target' | 'peer'>): RequestRecord {
    return new RequestRecord(uuidv7(), { method, target, peer }, this.#deps.clock());
  }

  #read(
    exchange: Pick<Exchange, 'method' | 'target' | 'rawHeaders' | 'peer'>,
    record: RequestRecord,
  ): Incoming {
    const { clock, clusterName, clusterNamed, rates } = this.#deps;
    const principal = authenticateUser(exchange.peer, clock());
    const asked = readTarget(exchange.method, exchange.target);
    const { teleportCluster, kubeCluster } = asked;
    record.about(principal, kubeCluster);
    rates.take(userNameOf(principal)!);
    const { info } = asked;
    record.info = info;
    this.#deps.audit.admit(record);
    const headers = readClientHeaders(exchange.rawHeaders);
    record.userAgent = headers.userAgent;
    if (teleportCluster !== clusterName()) throw TeleportClusterNotFound(teleportCluster);
    const cluster = clusterNamed(kubeCluster);
    if (!cluster) throw ClusterNotFound(kubeCluster);
    record.clusterLabels = cluster.labels;
    return { principal, cluster, info, headers, record };
  }

  #question({ principal, cluster, info, headers, record }: Incoming): Authorization {
    const asked = readAskedImpersonation(headers.impersonation);
    record.asked = asked;
    const hasDenials = this.#deps.policy.hasDenials(principal);
    return { principal, cluster, info, headers, asked, hasDenials, record };
  }

  async #withBody(exchange: Exchange, incoming: Incoming, question: Authorization): Promise<void> {
    try {
      const body = await readBody(exchange.body, maxObjectBytes);
      if (isAccessReview(incoming.info)) this.#review(exchange, incoming, question, body);
      else this.#forward(exchange, incoming, authorize(this.#deps.decisions, question, body), body);
    } catch (error) {
      this.#refuse(exchange, incoming.record, error);
    }
  }

  #review(exchange: Exchange, incoming: Incoming, question: Authorization, body: Buffer): void {
    const { reviews, decisions, policy } = this.#deps;
    const authorized = authorize(decisions, question, undefined);
    const { answer, acts, rewrite } = reviews.read(question, body);
    if (answer !== undefined) {
      incoming.record.allowed(authorized, policy.revision());
      sendText(exchange.answer, 200, answer, ['content-type', 'application/json']);
      incoming.record.answered(exchange.answer.status);
      this.#deps.audit.tell(incoming.record);
    } else if (rewrite) {
      const rewritten = { ...exchange, answer: new RewrittenAnswer(exchange.answer, rewrite) };
      this.#forward(rewritten, { ...incoming, headers: asJson(incoming.headers) }, authorized, body);
    } else this.#forward(exchange, incoming, { ...authorized, acts }, body);
  }

  #forward(exchange: Exchange, incoming: Incoming, authorized: Authorized, body?: Buffer): void {
    const { record } = incoming;
    const decision = grantedDecision(authorized);
    requireRecordable(incoming.info, decision.recording);
    record.allowed({ ...authorized, decision }, this.#deps.policy.revision());
    const tracked = this.#track(incoming, authorized);
    const { audit } = this.#deps;
    const { answer } = exchange;
    const reply = {
      body: body ?? (exchange.hasBody ? exchange.body : undefined),
      answer,
      via: (agentId: string) => tracked.goesVia(agentId, this.#deps.policy),
      traffic: record.traffic,
      begun: (status: number, headers: AnswerHeaders) => {
        record.begun(status, headers['audit-id']);
        audit.began(record);
      },
      done: (error: AppError | undefined) => {
        this.#deps.open.remove(tracked);
        if (error && answer.status === 0) {
          if (!answer.sink.destroyed) refuseKube(answer, error);
          record.failed(error, answer.status);
        }
        audit.ended(record, error, tracked.cutBy);
      },
    };
    const refuse = (error: unknown) => this.#refuse(exchange, record, error);
    const begin = () => dispatch(this.#deps.dispatch, this.#dispatched(incoming, authorized), reply);
    const isGone = () => answer.sink.destroyed;
    startRequest(this.#deps.open, { tracked, isGone, begin, refuse }, audit.beforeSending(record));
  }

  #dispatched({ principal, cluster, info, headers, record }: Incoming, authorized: Authorized): Dispatched {
    const decision = grantedDecision(authorized);
    return {
      cluster: cluster.name,
      info,
      headers,
      clientAddress: record.address,
      requestId: record.requestId,
      granted: {
        subject: () => spiffeId(principal),
        impersonation: { user: decision.kubeUser, groups: decision.kubeGroups },
        filter: decision.rules,
      },
      grant: {
        principal,
        cluster: cluster.name,
        decision,
        policyRevision: this.#deps.policy.revision(),
        requestId: record.requestId,
      },
    };
  }

  /** Registers the request before it starts, so that no change of policy in between is missed. */
  #track({ principal, cluster, headers }: Incoming, { decision, attributes }: Authorized): TrackedRequest {
    const asked = readAskedImpersonation(headers.impersonation);
    const tracked = new TrackedRequest({ principal, cluster: cluster.name, attributes, asked, decision });
    this.#deps.open.add(tracked);
    return tracked;
  }

  #refuse(exchange: Exchange, record: RequestRecord, error: unknown): void {
    const refusal = this.#refused(record, error);
    if (!exchange.answer.sink.destroyed) {
      const isDiscovering = record.info && !record.info.isResource && readsDiscovery(exchange.rawHeaders);
      (isDiscovering ? refuseDiscovery : refuseKube)(exchange.answer, refusal);
    }
    record.answered(exchange.answer.status);
    this.#tellRefused(record, refusal);
  }

  /** What is refused because nothing can be recorded cannot be either. */
  #tellRefused(record: RequestRecord, refusal: AppError): void {
    if (!AuditUnavailable.is(refusal)) this.#deps.audit.tell(record);
  }

  /** The refusal as the client is told it; with the id by which somebody who may can look up why. */
  #refused(record: RequestRecord, error: unknown): AppError {
    const refusal = toAppError(error);
    if (refusal.kind === 'internal') {
      const text = String((error as Error).stack ?? error);
      this.#deps.log.error('a request failed unexpectedly', { error: text });
    }
    record.refused(refusal, this.#deps.policy.revision());
    return record.explained(refusal);
  }
}
