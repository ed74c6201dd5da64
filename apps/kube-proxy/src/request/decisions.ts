import type { AccessCluster, ImpersonationRequest, KubeAttributes, KubeDecision } from '@postern/access';
import { AppError, type Clock, failure } from '@postern/core';
import type { Principal } from '@postern/identity';
import type { RequestInfo } from './request-info.ts';

export const PolicyTooOld = failure(
  'unavailable',
  'kube.policy_too_old',
  () => 'roles, users and locks could not be refreshed for too long, so nothing is allowed; try again later',
);

/** The roles, users and locks of this moment. */
export interface Policy {
  /** Changes whenever a role or user does. */
  revision(): string;
  /** Milliseconds since the last contact with where it comes from. */
  ageMs(): number;
  /** Whether a lock is on the principal or the cluster. */
  isLocked(question: Question): boolean;
  decide(question: Question): KubeDecision;
}

export interface Question {
  readonly principal: Principal;
  readonly cluster: AccessCluster;
  readonly attributes: KubeAttributes;
  readonly asked: ImpersonationRequest;
}

const maxEntries = 20_000;
const maxAgeMs = 60_000;

/** Decisions by what they depend on. Emptied at every change of policy or clusters, and after a minute. */
export class Decisions {
  readonly #policy: Policy;
  readonly #clock: Clock;
  readonly #maxPolicyAgeMs: number;
  readonly #known = new Map<string, KubeDecision>();
  #emptiedAt = 0;

  constructor(policy: Policy, clock: Clock, maxPolicyAgeMs: number) {
    this.#policy = policy;
    this.#clock = clock;
    this.#maxPolicyAgeMs = maxPolicyAgeMs;
  }

  clear(): void {
    this.#known.clear();
  }

  /** Decides about a new request; refuses when the policy is too old to say. A lock that is known needs no newer policy. */
  decide(question: Question): KubeDecision {
    if (this.#policy.isLocked(question)) return this.#policy.decide(question);
    if (this.#policy.ageMs() > this.#maxPolicyAgeMs) throw PolicyTooOld();
    return this.#decideUnlocked(question);
  }

  /** Decides by the last policy known, for requests that began when it was fresh. */
  decideAnyAge(question: Question): KubeDecision {
    // Locks end without a change that would empty what is known, and may be on a session, which is not in the key.
    return this.#policy.isLocked(question) ? this.#policy.decide(question) : this.#decideUnlocked(question);
  }

  #decideUnlocked(question: Question): KubeDecision {
    const now = this.#clock().getTime();
    if (now - this.#emptiedAt > maxAgeMs || this.#known.size >= maxEntries) {
      this.#known.clear();
      this.#emptiedAt = now;
    }
    const key = keyOf(question);
    const known = this.#known.get(key);
    if (known) return known;
    const decision = this.#policy.decide(question);
    this.#known.set(key, decision);
    return decision;
  }
}

/** JSON, because names come from clients and no separator would be safe. */
function keyOf({ principal, cluster, attributes, asked }: Question): string {
  const { isResourceRequest, verb, apiGroup, apiVersion, resource, subresource, namespace, name, path } =
    attributes;
  const about = isResourceRequest
    ? [verb, apiGroup, apiVersion, resource, subresource, namespace, name]
    : [verb, path];
  return JSON.stringify([principal.type, principal.id, cluster.name, about, asked.user, asked.groups]);
}

/** Attributes of a parsed request, in the terms of access decisions. */
export function attributesOf(info: RequestInfo): KubeAttributes {
  return {
    isResourceRequest: info.isResource,
    verb: info.verb,
    apiGroup: info.apiGroup,
    apiVersion: info.apiVersion,
    resource: info.resource,
    subresource: info.subresource,
    namespace: info.namespace,
    name: info.name,
    path: info.path,
    watch: info.verb === 'watch',
  };
}

/** A refusal as an error for the client. */
export function refusalOf(decision: KubeDecision & { allowed: false }): AppError {
  return new AppError(
    decision.status === 404 ? 'not_found' : 'permission_denied',
    decision.code,
    decision.message,
  );
}
