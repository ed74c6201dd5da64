import {
  type ImpersonationRequest,
  type KubeAllow,
  type KubeAttributes,
  type KubeDecision,
  userNameOf,
} from '@postern/access';
import { AppError, failure } from '@postern/core';
import type { Principal } from '@postern/identity';

export const AccessChanged = failure(
  'permission_denied',
  'kube.access_changed',
  (why: string) => `access changed while the request was under way: ${why}`,
);

export const TooManyOpenRequests = failure(
  'resource_exhausted',
  'kube.too_many_open_requests',
  (user: string, max: number) =>
    `too many requests of user ${JSON.stringify(user)} are under way (max=${max})`,
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
  readonly #maxPerUser: number;
  readonly #perUser = new Map<string, number>();
  #isRunning = false;
  #isStale = false;

  constructor(decide: DecideAgain, maxPerUser: number) {
    this.#decide = decide;
    this.#maxPerUser = maxPerUser;
  }

  get size(): number {
    return this.#open.size;
  }

  add(request: OpenRequest): void {
    const user = userOf(request);
    const count = this.#perUser.get(user) ?? 0;
    if (count >= this.#maxPerUser) throw TooManyOpenRequests(user, this.#maxPerUser);
    this.#perUser.set(user, count + 1);
    this.#open.add(request);
  }

  remove(request: OpenRequest): void {
    if (!this.#open.delete(request)) return;
    const user = userOf(request);
    const left = (this.#perUser.get(user) ?? 1) - 1;
    if (left === 0) this.#perUser.delete(user);
    else this.#perUser.set(user, left);
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

function userOf({ principal }: OpenRequest): string {
  return userNameOf(principal) ?? '';
}

function isSame(a: KubeAllow, b: KubeAllow): boolean {
  if (a === b) return true;
  return (
    a.kubeUser === b.kubeUser &&
    a.kubeGroups.length === b.kubeGroups.length &&
    a.kubeGroups.every((group, index) => group === b.kubeGroups[index]) &&
    (a.rules === b.rules || JSON.stringify(a.rules) === JSON.stringify(b.rules))
  );
}
