import {
  type AccessLock,
  type AccessUser,
  decideKubeAccess,
  maxKubeConnections,
  userNameOf,
} from '@postern/access';
import type { ApiService, Role } from '@postern/contracts';
import type { Principal } from '@postern/identity';
import type { LockSubject, UserState } from '@postern/policy';
import type { Policy as DecidingPolicy } from '../request/decisions.ts';
import type { MaxConnections } from '../limits/open-counts.ts';
import type { EdgePolicy } from './kube-edge.ts';

/** The live roles, users and locks, as libs/policy keeps them. */
export interface LivePolicy {
  revision(): string;
  ageMs(): number;
  user(name: string): UserState | undefined;
  rolesOf(user: UserState): readonly Role[];
  lockOn(subject: LockSubject): AccessLock | undefined;
  lockOnAgent(agentId: string, joinToken?: string): AccessLock | undefined;
}

/** A principal with the roles of this moment. */
export type AccessOf = (principal: Principal) => {
  readonly user: AccessUser;
  readonly roles: readonly Role[];
};

/** The lock on a principal, or on the cluster it asks for. */
export type LockOf = (principal: Principal, cluster?: string) => AccessLock | undefined;

/**
 * The lock on whoever calls a service. A locked agent still reaches join-svc, which answers why it is refused, so that it ends
 * instead of trying for ever.
 */
export type LockOnCaller = (principal: Principal, service: ApiService) => AccessLock | undefined;

/** What the edge asks of the live policy. */
export function accessPolicy(live: LivePolicy): DecidingPolicy &
  EdgePolicy & {
    readonly accessOf: AccessOf;
    readonly lockOf: LockOf;
    readonly lockOnCaller: LockOnCaller;
    readonly maxConnections: MaxConnections;
  } {
  const strangers = new Map<string, AccessUser>();
  const accessOf: AccessOf = (principal) => {
    const name = userNameOf(principal);
    const user = name === undefined ? undefined : live.user(name);
    if (user) return { user, roles: live.rolesOf(user) };
    return { user: strangerNamed(strangers, name ?? principal.id), roles: [] };
  };
  const lockOf: LockOf = (principal, cluster) => {
    const name = userNameOf(principal);
    const user = name === undefined ? undefined : live.user(name);
    return live.lockOn({ user, session: principal.session, cluster });
  };
  return {
    accessOf,
    lockOf,
    lockOnAgent: (agentId, joinToken) => live.lockOnAgent(agentId, joinToken),
    lockOnCaller: (principal, service) =>
      lockOf(principal) ?? (service === 'join-svc' ? undefined : lockOnJoined(live, principal)),
    isLocked: ({ principal, cluster }) => lockOf(principal, cluster.name) !== undefined,
    maxConnections: (principal) => maxKubeConnections(accessOf(principal).roles),
    revision: () => live.revision(),
    ageMs: () => live.ageMs(),
    hasDenials: (principal) => accessOf(principal).roles.some(deniesResources),
    decide: ({ principal, cluster, attributes, asked }) =>
      decideKubeAccess({
        ...accessOf(principal),
        cluster,
        request: attributes,
        impersonate: asked,
        lock: lockOf(principal, cluster.name),
      }),
  };
}

function lockOnJoined(live: LivePolicy, { type, id, joinToken }: Principal): AccessLock | undefined {
  return type === 'agent' ? live.lockOnAgent(id, joinToken) : undefined;
}

function deniesResources({ spec }: Role): boolean {
  return (spec.deny.kubernetes_resources ?? []).length > 0;
}

/** A user that was removed has a certificate still. Compiled policies are remembered by the object, so it is kept. */
function strangerNamed(strangers: Map<string, AccessUser>, name: string): AccessUser {
  const known = strangers.get(name);
  if (known) return known;
  if (strangers.size > 1000) strangers.clear();
  const stranger = { name, traits: {} };
  strangers.set(name, stranger);
  return stranger;
}
