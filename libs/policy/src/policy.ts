import type { AccessLock, AccessUser } from '@postern/access';
import {
  lockedToken,
  lockKind,
  type LockTarget,
  type Role,
  roleKind,
  tokenIdOf,
  userKind,
  type ViewEntry,
} from '@postern/contracts';
import { type Clock, messageOf } from '@postern/core';
import { Locks, lockState } from './locks.ts';

/** A user as the policy of this moment knows it. A change makes another object. */
export interface UserState extends AccessUser {
  readonly roles: readonly string[];
  /** Set while the user is locked: the message for the user, or empty. */
  readonly locked?: string;
  /** After this the user may do nothing. */
  readonly expires?: Date;
}

/** A change that the policy has taken in. */
export interface PolicyChange {
  readonly kind: 'lock' | 'role' | 'user';
  readonly id: string;
  /** Whether decisions about this user may come out differently now. */
  affects(userName: string): boolean;
}

/** Who asks for what, as far as locks can be on it. */
export interface LockSubject {
  readonly user: UserState | undefined;
  /** Id of the session, where there is one. */
  readonly session?: string | undefined;
  /** The Kubernetes cluster that is asked for. */
  readonly cluster?: string | undefined;
}

/** Whom locks on agents stop: by their own ids, and by those of the tokens by which they joined. */
export interface LockedAgents {
  readonly agentIds: readonly string[];
  readonly tokenIds: readonly string[];
}

/** Roles, users and locks, live. */
export interface Policy extends AsyncDisposable {
  /** Settles when the policy is complete for the first time. Until then nobody has roles. */
  readonly ready: Promise<void>;
  /** Opaque; another one after every change. */
  revision(): string;
  /** Milliseconds since the policy was last known to be current. Callers refuse new requests beyond a bound. */
  ageMs(): number;
  user(name: string): UserState | undefined;
  /** The roles of a user. None for a user who is locked, has a locked role, is expired or gone. */
  rolesOf(user: UserState): readonly Role[];
  /** The lock that is on any of these: the user, a role of the user, the session, the cluster. */
  lockOn(subject: LockSubject): AccessLock | undefined;
  /**
   * The lock on an agent, or on the token by which it joined, where that is known: nothing may go through it then. `joinToken` is
   * the SHA-256 of the token's name, hex.
   */
  lockOnAgent(agentId: string, joinToken?: string): AccessLock | undefined;
  /** The lock on a token, by the SHA-256 of its name, hex: nobody may join by it. */
  lockOnToken(tokenId: string): AccessLock | undefined;
  /** The agents and tokens that locks are on now. */
  lockedAgents(): LockedAgents;
  /** Calls back after each change; answers how to stop that. */
  onChange(callback: (change: PolicyChange) => void): () => void;
}

/** What the tables of a policy need from outside. */
export interface PolicyTablesDeps {
  readonly clock: Clock;
  /** Told about an entry that this program cannot read. */
  readonly onUnreadable: (kind: string, id: string, why: string) => void;
}

const noRoles: readonly Role[] = [];

/** The tables of a policy: fed with view entries, asked for users, roles and locks. */
export class PolicyTables {
  readonly #deps: PolicyTablesDeps;
  readonly #users = new Map<string, UserState>();
  /** A role that cannot be read is kept as undefined: its holders have no access, as its denials are unknown. */
  readonly #roles = new Map<string, Role | undefined>();
  readonly #locks = new Locks();
  readonly #callbacks = new Set<(change: PolicyChange) => void>();
  #rolesByUser = new WeakMap<UserState, readonly Role[]>();

  constructor(deps: PolicyTablesDeps) {
    this.#deps = deps;
  }

  /** Takes in one entry; without a resource it was removed. */
  apply(entry: Pick<ViewEntry, 'kind' | 'id' | 'resource'>): void {
    if (entry.kind === 'role') this.#applyRole(entry);
    else if (entry.kind === 'user') this.#applyUser(entry);
    else if (entry.kind === 'lock') this.#applyLock(entry);
  }

  user(name: string): UserState | undefined {
    return this.#users.get(name);
  }

  rolesOf(user: UserState): readonly Role[] {
    if (this.#users.get(user.name) !== user || this.#isInactive(user)) return noRoles;
    const known = this.#rolesByUser.get(user);
    if (known) return known;
    const roles = user.roles.some((name) => this.#roles.has(name) && !this.#roles.get(name))
      ? noRoles
      : user.roles.flatMap((name) => this.#roles.get(name) ?? []);
    this.#rolesByUser.set(user, roles);
    return roles;
  }

  lockOn({ user, session, cluster }: LockSubject): AccessLock | undefined {
    if (user?.locked !== undefined)
      return { target: { field: 'user', value: user.name }, message: user.locked };
    if (this.#locks.size === 0) return undefined;
    const targets: LockTarget[] = user ? targetsOf(user) : [];
    if (session) targets.push({ field: 'session', value: session });
    if (cluster !== undefined) targets.push({ field: 'kube_cluster', value: cluster });
    return this.#locks.on(targets, this.#deps.clock());
  }

  lockOnAgent(agentId: string, joinToken?: string): AccessLock | undefined {
    if (this.#locks.size === 0) return undefined;
    const targets: LockTarget[] = [{ field: 'server_id', value: agentId }];
    if (joinToken !== undefined) targets.push(lockedToken(joinToken));
    return this.#locks.on(targets, this.#deps.clock());
  }

  lockOnToken(tokenId: string): AccessLock | undefined {
    return this.#locks.on([lockedToken(tokenId)], this.#deps.clock());
  }

  lockedAgents(): LockedAgents {
    const now = this.#deps.clock();
    const agentIds = this.#locks.targets('server_id', now);
    const tokenIds = this.#locks.targets('join_token', now).flatMap((value) => tokenIdOf(value) ?? []);
    return { agentIds, tokenIds };
  }

  onChange(callback: (change: PolicyChange) => void): () => void {
    this.#callbacks.add(callback);
    return () => void this.#callbacks.delete(callback);
  }

  #isInactive(user: UserState): boolean {
    const hasEnded = user.expires !== undefined && user.expires <= this.#deps.clock();
    return hasEnded || this.lockOn({ user }) !== undefined;
  }

  #applyRole({ id, resource }: Pick<ViewEntry, 'id' | 'resource'>): void {
    if (resource)
      this.#roles.set(
        id,
        this.#read('role', id, () => roleKind.normalize(resource, this.#context())),
      );
    else this.#roles.delete(id);
    this.#rolesByUser = new WeakMap();
    this.#tell({ kind: 'role', id, affects: (name) => this.#users.get(name)?.roles.includes(id) ?? false });
  }

  #applyUser({ id, resource }: Pick<ViewEntry, 'id' | 'resource'>): void {
    const user =
      resource && this.#read('user', id, () => userState(userKind.normalize(resource, this.#context())));
    if (user) this.#users.set(id, user);
    else this.#users.delete(id);
    this.#tell({ kind: 'user', id, affects: (name) => name === id });
  }

  #applyLock({ id, resource }: Pick<ViewEntry, 'id' | 'resource'>): void {
    const before = this.#locks.get(id)?.target;
    const lock =
      resource && this.#read('lock', id, () => lockState(lockKind.normalize(resource, this.#context())));
    if (lock) this.#locks.set({ ...lock, id });
    else this.#locks.delete(id);
    const targets = [before, lock?.target].filter((target) => target !== undefined);
    this.#tell({ kind: 'lock', id, affects: (name) => targets.some((each) => this.#isOn(each, name)) });
  }

  /** Whose sessions and which requests a lock on anything but users and roles is on is not known here. */
  #isOn({ field, value }: LockTarget, userName: string): boolean {
    if (field === 'user') return value === userName;
    return field !== 'role' || (this.#users.get(userName)?.roles.includes(value) ?? false);
  }

  #context(): { readonly now: Date } {
    return { now: this.#deps.clock() };
  }

  #read<T>(kind: string, id: string, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      this.#deps.onUnreadable(kind, id, messageOf(error));
      return undefined;
    }
  }

  #tell(change: PolicyChange): void {
    const errors: unknown[] = [];
    for (const callback of this.#callbacks) {
      try {
        callback(change);
      } catch (error) {
        // The others still have to hear of it: one of them may have streams to cut.
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'a listener to policy changes failed');
  }
}

function targetsOf({ name, roles }: UserState): LockTarget[] {
  return [
    { field: 'user', value: name },
    ...roles.map((role): LockTarget => ({ field: 'role', value: role })),
  ];
}

function userState({ metadata, spec }: ReturnType<typeof userKind.normalize>): UserState {
  const ends = [metadata.expires, spec.expires]
    .filter((text) => text !== undefined)
    .map((text) => new Date(text));
  const [expires] = ends.toSorted((a, b) => a.getTime() - b.getTime());
  return {
    name: metadata.name,
    roles: spec.roles,
    traits: spec.traits,
    ...(spec.status?.is_locked ? { locked: spec.status.locked_message ?? '' } : {}),
    ...(expires ? { expires } : {}),
  };
}
