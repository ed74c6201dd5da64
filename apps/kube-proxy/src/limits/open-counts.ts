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

/** How many requests are under way: of each user, in each cluster, and as sessions. */
export class OpenCounts {
  readonly #limits: UserLimits;
  readonly #maxConnections: MaxConnections;
  readonly #open = new Map<string, number>();
  readonly #inCluster = new Map<string, number>();
  readonly #sessions = new Map<string, number>();

  constructor(limits: UserLimits, maxConnections: MaxConnections) {
    this.#limits = limits;
    this.#maxConnections = maxConnections;
  }

  /** Counts a request, or refuses it with the limit that it would exceed. Every one that enters has to leave. */
  enter(request: Counted): void {
    const user = userOf(request);
    const { open, openPerCluster } = this.#limits;
    if (isFull(this.#open, user, open)) throw TooManyOpenRequests(user, open);
    if (isFull(this.#inCluster, placeOf(request), openPerCluster))
      throw TooManyInCluster(user, { cluster: request.cluster, max: openPerCluster });
    if (isSession(request)) this.#requireSession(request);
    this.#count(request, 1);
  }

  leave(request: Counted): void {
    this.#count(request, -1);
  }

  #requireSession(request: Counted): void {
    const user = userOf(request);
    const limits = [this.#maxConnections(request.principal) ?? 0, this.#limits.sessions].filter(
      (max) => max > 0,
    );
    const max = limits.length === 0 ? 0 : Math.min(...limits);
    if (isFull(this.#sessions, user, max)) throw TooManyConnections(user, max);
  }

  #count(request: Counted, change: 1 | -1): void {
    const user = userOf(request);
    add(this.#open, user, change);
    add(this.#inCluster, placeOf(request), change);
    if (isSession(request)) add(this.#sessions, user, change);
  }
}

const sessions = new Set(['exec', 'attach', 'portforward']);

function isSession({ attributes: { resource, subresource } }: Counted): boolean {
  return resource === 'pods' && sessions.has(subresource);
}

/** No name of a cluster holds a slash. */
function placeOf(request: Counted): string {
  return `${request.cluster}/${userOf(request)}`;
}

function userOf({ principal }: Counted): string {
  return userNameOf(principal) ?? '';
}

function isFull(counts: ReadonlyMap<string, number>, key: string, max: number): boolean {
  return max !== 0 && (counts.get(key) ?? 0) >= max;
}

function add(counts: Map<string, number>, key: string, change: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
