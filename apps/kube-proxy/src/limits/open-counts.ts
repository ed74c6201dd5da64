import { type KubeAttributes, userNameOf } from '@postern/access';
import { failure } from '@postern/core';
import type { Principal } from '@postern/identity';
import type { UserLimits } from './user-limits.ts';

export const TooManyOpenRequests = failure(
  'resource_exhausted',
  'kube.too_many_open_requests',
  (user: string, max: number) =>
    `too many requests of user ${JSON.stringify(user)} are under way (max=${max}); end some of them, or try again later`,
);

export const TooManyInCluster = failure(
  'resource_exhausted',
  'kube.too_many_in_cluster',
  (user: string, { cluster, max }: { readonly cluster: string; readonly max: number }) =>
    `too many requests of user ${JSON.stringify(user)} are under way in cluster ${JSON.stringify(cluster)} (max=${max}); end some of them, or try again later`,
);

/** The text is what operators know from other products. */
export const TooManyConnections = failure(
  'resource_exhausted',
  'kube.too_many_connections',
  (user: string, max: number) =>
    `too many concurrent kubernetes connections for user ${JSON.stringify(user)} (max=${max})`,
);

/** What a request under way is counted by. */
export interface Counted {
  readonly principal: Principal;
  readonly cluster: string;
  readonly attributes: Pick<KubeAttributes, 'resource' | 'subresource'>;
}

/** The least of `max_kubernetes_connections` of the principal's roles; undefined where none has one. */
export type MaxConnections = (principal: Principal) => number | undefined;

/** What one user has under way. */
interface UserCounts {
  open: number;
  sessions: number;
  readonly inCluster: Map<string, number>;
}

/** How many requests are under way: of each user, in each cluster, and as sessions. */
export class OpenCounts {
  readonly #limits: UserLimits;
  readonly #maxConnections: MaxConnections;
  readonly #users = new Map<string, UserCounts>();

  constructor(limits: UserLimits, maxConnections: MaxConnections) {
    this.#limits = limits;
    this.#maxConnections = maxConnections;
  }

  /** Counts a request, or refuses it with the limit that it would exceed. Every one that enters has to leave. */
  enter(request: Counted): void {
    const user = userOf(request);
    const counts = this.#users.get(user) ?? { open: 0, sessions: 0, inCluster: new Map<string, number>() };
    const { open, openPerCluster } = this.#limits;
    const { cluster } = request;
    const inCluster = counts.inCluster.get(cluster) ?? 0;
    if (isFull(counts.open, open)) throw TooManyOpenRequests(user, open);
    if (isFull(inCluster, openPerCluster)) throw TooManyInCluster(user, { cluster, max: openPerCluster });
    if (isSession(request)) {
      this.#requireSession(request, counts);
      counts.sessions += 1;
    }
    counts.open += 1;
    counts.inCluster.set(cluster, inCluster + 1);
    if (counts.open === 1) this.#users.set(user, counts);
  }

  leave(request: Counted): void {
    const user = userOf(request);
    const counts = this.#users.get(user);
    if (!counts) return;
    counts.open -= 1;
    if (isSession(request)) counts.sessions -= 1;
    const inCluster = (counts.inCluster.get(request.cluster) ?? 1) - 1;
    if (inCluster > 0) counts.inCluster.set(request.cluster, inCluster);
    else counts.inCluster.delete(request.cluster);
    if (counts.open === 0) this.#users.delete(user);
  }

  #requireSession(request: Counted, { sessions: count }: UserCounts): void {
    const limits = [this.#maxConnections(request.principal) ?? 0, this.#limits.sessions].filter(
      (max) => max > 0,
    );
    const max = limits.length === 0 ? 0 : Math.min(...limits);
    if (isFull(count, max)) throw TooManyConnections(userOf(request), max);
  }
}

const sessions = new Set(['exec', 'attach', 'portforward']);

function isSession({ attributes: { resource, subresource } }: Counted): boolean {
  return resource === 'pods' && sessions.has(subresource);
}

function userOf({ principal }: Counted): string {
  return userNameOf(principal) ?? '';
}

function isFull(count: number, max: number): boolean {
  return max !== 0 && count >= max;
}
