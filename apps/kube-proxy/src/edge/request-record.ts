import {
  type AccessCluster,
  type ImpersonationRequest,
  type KubeAttributes,
  type KubeDecision,
  userNameOf,
} from '@postern/access';
import type { DataOf, KubeRequestAudited } from '@postern/contracts';
import type { AppError } from '@postern/core';
import type { Principal } from '@postern/identity';
import type { Exchange } from '../listen/exchange.ts';
import type { Authorized } from '../request/authorize.ts';
import { isDiscovery, isLongLived, type RequestInfo } from '../request/request-info.ts';
import { decidedInstead, recordedImpersonation, recordedLabels, rolesOf } from './recorded-question.ts';

/** Takes a finished record. */
export type Recorder = (record: RequestRecord) => void;

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
  status = 0;
  #principal: Principal | undefined;
  #cluster = '';
  #reason = '';
  #isAllowed = false;
  #decision: KubeDecision | undefined;
  #attributes: KubeAttributes | undefined;
  #policyRevision = '';
  #isRecorded = false;

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

  /** Whether it is recorded that our rules, and not what is behind them, refused it. */
  get isExplainable(): boolean {
    return (
      !this.#isAllowed && this.#decision !== undefined && this.#principal !== undefined && this.#isAudited
    );
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

  /** The answer began. Streams are recorded now: what is recorded at their end would come hours too late. */
  begun(status: number, record: Recorder): void {
    this.status = status;
    if (this.info && isLongLived(this.info)) this.ended(record);
  }

  ended(record: Recorder): void {
    if (this.#isRecorded) return;
    this.#isRecorded = true;
    record(this);
  }

  /** Undefined for requests nobody asks about later: discovery, and those of unknown clients. */
  data(edge: string): DataOf<typeof KubeRequestAudited> | undefined {
    const { info } = this;
    if (!this.#principal || !this.#isAudited) return undefined;
    const decision = this.#decision;
    // What the roles would have granted to a request that was refused for another reason was granted to nobody.
    const granted = this.#isAllowed && decision?.allowed ? decision : undefined;
    const labels = this.clusterLabels && recordedLabels(this.clusterLabels);
    const decided = info && decidedInstead(info, this.#attributes);
    const data: DataOf<typeof KubeRequestAudited> = {
      requestId: this.requestId,
      user: userNameOf(this.#principal) ?? '',
      session: this.#principal.session ?? '',
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
      status: this.status,
      durationMs: Math.round((performance.now() - this.#startedMs) * 100) / 100,
      policyRevision: this.#policyRevision,
      edge,
      sourceIp: this.address,
    };
    // Not by spreading, which would cost more than all the rest.
    if (labels) data.clusterLabels = labels;
    if (decided) data.decided = decided;
    return data;
  }

  get #isAudited(): boolean {
    return !(this.info && isDiscovery(this.info));
  }
}
