import { type KubeAllow, userNameOf } from '@postern/access';
import type { DataOf, KubeRequestAudited } from '@postern/contracts';
import type { AppError } from '@postern/core';
import type { Principal } from '@postern/identity';
import type { Exchange } from '../listen/exchange.ts';
import { isDiscovery, isLongLived, type RequestInfo } from '../request/request-info.ts';

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
  status = 0;
  #principal: Principal | undefined;
  #cluster = '';
  #reason = '';
  #isAllowed = false;
  #decision: KubeAllow | undefined;
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

  allowed(decision: KubeAllow, policyRevision: string): void {
    this.#isAllowed = true;
    this.#decision = decision;
    this.#policyRevision = policyRevision;
  }

  refused(error: AppError): void {
    this.#reason = error.code;
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
    if (!this.#principal || (info && isDiscovery(info))) return undefined;
    return {
      requestId: this.requestId,
      user: userNameOf(this.#principal) ?? '',
      session: this.#principal.session ?? '',
      cluster: this.#cluster,
      decision: this.#isAllowed ? 'allow' : 'deny',
      reason: this.#reason,
      method: this.method.slice(0, 16),
      path: info?.path ?? this.target.slice(0, 512).replaceAll('\0', ''),
      verb: info?.verb ?? '',
      apiGroup: info?.apiGroup ?? '',
      apiVersion: info?.apiVersion ?? '',
      resource: info?.resource ?? '',
      subresource: info?.subresource ?? '',
      namespace: info?.namespace ?? '',
      name: info?.name ?? '',
      kubeUser: this.#decision?.kubeUser ?? '',
      kubeGroups: [...(this.#decision?.kubeGroups ?? [])],
      status: this.status,
      durationMs: Math.round((performance.now() - this.#startedMs) * 100) / 100,
      policyRevision: this.#policyRevision,
      edge,
      sourceIp: this.address,
    };
  }
}
