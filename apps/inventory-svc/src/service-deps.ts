import { mayRule, userNameOf } from '@postern/access';
import { type Clock, failure } from '@postern/core';
import type { EventDesk } from '@postern/event-routes';
import type { EventStore } from '@postern/event-store';
import { type AllowRule, allowIf } from '@postern/http';
import type { Policy, UserState } from '@postern/policy';
import type { Principal } from '@postern/identity';
import type { Kysely } from 'kysely';
import type { Pings } from './agents/pings.ts';
import type { RegisteredLabels } from './clusters/visible-clusters.ts';
import type { InventoryDb } from './database.ts';
import type { RecordingDeps } from './recordings/store-recording.ts';

/** Decisions would be made by a policy that may have changed long ago. */
export const PolicyTooOld = failure(
  'unavailable',
  'inventory.policy_too_old',
  () => 'access cannot be decided at the moment: the policy has not been heard of for too long; try again',
);

/** What the operations of this service work with. */
export interface ServiceDeps {
  readonly db: Kysely<InventoryDb>;
  readonly store: Pick<EventStore<InventoryDb>, 'find' | 'load'>;
  readonly events: EventDesk;
  readonly recordings: RecordingDeps;
  readonly pings: Pings;
  readonly policy: Policy;
  readonly registered: RegisteredLabels;
  readonly clock: Clock;
  /** How long an agent that is offline is remembered, in milliseconds. */
  readonly retentionMs: number;
  /** The age at which the policy is not believed any more, in milliseconds. */
  readonly maxPolicyAgeMs: number;
}

/** The user or bot behind a principal, as the policy of this moment knows it. */
export function callerOf(
  { policy, maxPolicyAgeMs }: ServiceDeps,
  principal: Principal,
): UserState | undefined {
  if (policy.ageMs() > maxPolicyAgeMs) throw PolicyTooOld();
  const name = userNameOf(principal);
  return name === undefined ? undefined : policy.user(name);
}

/** The rule of users whose roles allow a verb on a kind. */
export function may(verb: string, kind: string): AllowRule<ServiceDeps> {
  return allowIf(`rule ${verb} on ${kind}`, ({ deps, principal }) => {
    const user = callerOf(deps, principal);
    return user !== undefined && mayRule(deps.policy.rolesOf(user), kind, verb);
  });
}
