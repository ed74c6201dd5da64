import {
  type AccessCluster,
  type ImpersonationRequest,
  type KubeAttributes,
  type KubeDecision,
  userNameOf,
} from '@postern/access';
import type { DataOf, KubeRequestAudited } from '@postern/contracts';
import { AppError } from '@postern/core';
import type { Principal } from '@postern/identity';
import type { Exchange } from '../listen/exchange.ts';
import type { Traffic } from '../forward/traffic.ts';
import type { Authorized } from '../request/authorize.ts';
import { isDiscovery, isLongLived, type RequestInfo } from '../request/request-info.ts';
import {
  decidedInstead,
  recordedImpersonation,
  recordedLabels,
  recordedUserAgent,
  rolesOf,
} from './recorded-question.ts';

/** Whether it is known how a request ended. */
type Outcome = DataOf<typeof KubeRequestAudited>['outcome'];

/** What is known of one request, for its audit record. */
export class RequestRecord {
  readonly requestId: string;
  readonly method: string;
  readonly target: string;
  readonly address: string;
  readonly at: Date;
  readonly #startedMs = performance.now();
  info: RequestInfo | undefined;
  /** The labels that the decision goes by. */
  clusterLabels: AccessCluster['labels'] | undefined;
  asked: ImpersonationRequest | undefined;
  userAgent = '';
  status = 0;
  readonly traffic: Traffic = { bytesIn: 0, bytesOut: 0 };
  /** Whether something long-lived began, whose end is a fact of its own. */
  isStream = false;
  /** Whether what a terminal shows is kept. */
  isRecorded = false;
  #auditId = '';
  #principal: Principal | undefined;
  #cluster = '';
  #reason = '';
  #isAllowed = false;
  #decision: KubeDecision | undefined;
  #attributes: KubeAttributes | undefined;
  #policyRevision = '';

  constructor(
    requestId: string,
    { method, target, peer }: Pick<Exchange, 'method' | 'target' | 'peer'>,
    at: Date,
  ) {
    this.requestId = requestId;
    this.method = method;
    this.target = target;
    this.address = peer.address;
    this.at = at;
  }

  about(principal: Principal, cluster: string): void {
    this.#principal = principal;
    this.#cluster = cluster;
  }

  get user(): string {
    return (this.#principal && userNameOf(this.#principal)) ?? '';
  }

  get cluster(): string {
    return this.#cluster;
  }

  get kubeUser(): string {
    return this.#isAllowed && this.#decision?.allowed ? this.#decision.kubeUser : '';
  }

  get durationMs(): number {
    return Math.round((performance.now() - this.#startedMs) * 100) / 100;
  }

  /** Not so for requests nobody asks about later: discovery, and those of unknown clients. */
  get isAudited(): boolean {
    return this.#principal !== undefined && !(this.info && isDiscovery(this.info));
  }

  /** A refusal of our rules, and not of what is behind them, says where somebody who may can look up why. */
  explained(refusal: AppError): AppError {
    if (this.#isAllowed || this.#decision === undefined || !this.isAudited) return refusal;
    const how = `To see why, an administrator can run: tctl why ${this.requestId}`;
    return new AppError(refusal.kind, refusal.code, `${refusal.message}\n${how}`);
  }

  /** A decision, and about what. One that refuses is the last. */
  decided(attributes: KubeAttributes, decision: KubeDecision): void {
    this.#attributes = attributes;
    this.#decision = decision;
  }

  allowed({ decision, attributes }: Authorized, policyRevision: string): void {
    this.#isAllowed = true;
    this.#decision = decision;
    this.#attributes = attributes;
    this.#policyRevision = policyRevision;
  }

  refused(error: AppError, policyRevision: string): void {
    this.#reason = error.code;
    this.#auditId = '';
    if (this.#decision && !this.#isAllowed) this.#policyRevision = policyRevision;
  }

  /** Allowed, but it came to nothing. */
  failed(error: AppError, status: number): void {
    this.#reason = error.code;
    this.status = status;
  }

  answered(status: number): void {
    this.status = status;
  }

  /** It goes to the API server, whose audit log has it under the same id. */
  sent(): void {
    this.#auditId = this.requestId;
  }

  /** The answer began; the API server says under which id it knows the request, should it be another. */
  begun(status: number, auditId?: string | string[]): void {
    this.status = status;
    this.isStream = status === 101 || (this.info !== undefined && isLongLived(this.info) && status === 200);
    if (typeof auditId === 'string' && auditId !== '')
      this.#auditId = auditId.slice(0, 64).replaceAll('\0', '');
  }

  /** The record as things stand. */
  data(edge: string, outcome: Outcome = 'known'): DataOf<typeof KubeRequestAudited> {
    const { info } = this;
    const decision = this.#decision;
    // What the roles would have granted to a request that was refused for another reason was granted to nobody.
    const granted = this.#isAllowed && decision?.allowed ? decision : undefined;
    const labels = this.clusterLabels && recordedLabels(this.clusterLabels);
    const decided = info && decidedInstead(info, this.#attributes);
    const data: DataOf<typeof KubeRequestAudited> = {
      requestId: this.requestId,
      auditId: this.#auditId,
      user: this.user,
      session: this.#principal?.session ?? '',
      cluster: this.#cluster,
      decision: this.#isAllowed ? 'allow' : 'deny',
      reason: this.#reason,
      roles: [...rolesOf(decision)],
      method: this.method.slice(0, 16),
      path: info?.path ?? this.target.slice(0, 512).replaceAll('\0', ''),
      verb: info?.verb ?? '',
      apiGroup: info?.apiGroup ?? '',
      apiVersion: info?.apiVersion ?? '',
      resource: info?.resource ?? '',
      subresource: info?.subresource ?? '',
      namespace: info?.namespace ?? '',
      name: info?.name ?? '',
      impersonate: recordedImpersonation(this.asked),
      kubeUser: granted?.kubeUser ?? '',
      kubeGroups: [...(granted?.kubeGroups ?? [])],
      outcome,
      status: this.status,
      isStream: this.isStream,
      durationMs: this.durationMs,
      bytesIn: this.traffic.bytesIn,
      bytesOut: this.traffic.bytesOut,
      policyRevision: this.#policyRevision,
      edge,
      sourceIp: this.address,
      userAgent: recordedUserAgent(this.userAgent),
    };
    // Not by spreading, which would cost more than all the rest.
    if (labels) data.clusterLabels = labels;
    if (decided) data.decided = decided;
    return data;
  }
}
