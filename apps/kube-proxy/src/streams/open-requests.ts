import type { ImpersonationRequest, KubeAllow, KubeAttributes, KubeDecision } from '@postern/access';
import { AppError, failure } from '@postern/core';
import type { Principal } from '@postern/identity';
import type { OpenCounts } from '../limits/open-counts.ts';
import { isSameFilter } from '../filter/sent-filter.ts';

export const AccessChanged = failure(
  'permission_denied',
  'kube.access_changed',
  (why: string) => `access changed while the request was under way: ${why}`,
);

export const CertificateExpired = failure(
  'unauthenticated',
  'kube.certificate_expired',
  () => 'the client certificate has expired',
);

/** A request under way, with what is needed to decide about it again. */
export interface OpenRequest {
  readonly principal: Principal;
  readonly cluster: string;
  readonly attributes: KubeAttributes;
  readonly asked: ImpersonationRequest;
  readonly decision: KubeAllow;
  /** The agent that it goes through, once that is known. */
  readonly agentId: string | undefined;
  cut(error: AppError): void;
}

/** Decides about a request as of now. Undefined where the cluster is gone, an error where the way to it is barred. */
export type DecideAgain = (request: OpenRequest) => KubeDecision | AppError | undefined;

const batch = 500;

/**
 * Every request under way, not only watches: what was allowed when it began is decided again whenever a role, user or
 * cluster changes, and whatever would be decided differently now is cut.
 */
export class OpenRequests {
  readonly #open = new Set<OpenRequest>();
  readonly #decide: DecideAgain;
  readonly #counts: OpenCounts;
  #isRunning = false;
  #isStale = false;

  constructor(decide: DecideAgain, counts: OpenCounts) {
    this.#decide = decide;
    this.#counts = counts;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Takes a request in, or refuses it when its user has too many already. */
  add(request: OpenRequest): void {
    this.#counts.enter(request);
    this.#open.add(request);
  }

  remove(request: OpenRequest): void {
    if (this.#open.delete(request)) this.#counts.leave(request);
  }

  /** Decides about every open request again. A call during a run makes that run go round once more. */
  async recheck(): Promise<void> {
    this.#isStale = true;
    if (this.#isRunning) return;
    this.#isRunning = true;
    while (this.#isStale) {
      this.#isStale = false;
      await this.#checkAll();
    }
    this.#isRunning = false;
  }

  cutExpired(now: Date): void {
    for (const request of this.#open)
      if (request.principal.notAfter <= now) request.cut(CertificateExpired());
  }

  cutAll(error: AppError): void {
    for (const request of this.#open) request.cut(error);
  }

  async #checkAll(): Promise<void> {
    let count = 1;
    // A set gives what is added meanwhile as well, which was decided by the new policy already: harmless.
    for (const request of this.#open) {
      this.#check(request);
      // Lets traffic through between batches: ten thousand watches must not stop everybody else.
      if (count % batch === 0) await new Promise((resolve) => setImmediate(resolve));
      count += 1;
    }
  }

  #check(request: OpenRequest): void {
    const now = this.#decide(request);
    if (now instanceof AppError) request.cut(now);
    else if (now === undefined) request.cut(AccessChanged('the cluster is not registered any more'));
    else if (!now.allowed) request.cut(AccessChanged(now.message));
    else if (!isSame(request.decision, now))
      request.cut(AccessChanged('your roles now allow something else'));
  }
}

function isSame(a: KubeAllow, b: KubeAllow): boolean {
  if (a === b) return true;
  return (
    a.kubeUser === b.kubeUser &&
    a.recording === b.recording &&
    a.kubeGroups.length === b.kubeGroups.length &&
    a.kubeGroups.every((group, index) => group === b.kubeGroups[index]) &&
    isSameFilter(a.rules, b.rules)
  );
}
