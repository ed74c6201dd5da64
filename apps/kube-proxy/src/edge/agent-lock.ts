import { type AccessLock, lockText } from '@postern/access';
import { failure } from '@postern/core';

/** The agents through which a cluster could be reached are locked. */
export const AgentLocked = failure(
  'unavailable',
  'kube.agent_locked',
  (cluster: string, lock: AccessLock) =>
    `kubernetes cluster ${JSON.stringify(cluster)} cannot be reached: ${lockText(lock)}`,
);

/** An agent on which a lock is wants to be let in, or is cut off. */
export const AgentStopped = failure(
  'unavailable',
  'edge.agent_locked',
  (lock: AccessLock) => `this agent may do nothing while there is a lock: ${lockText(lock)}`,
);

/** Somebody on whom a lock is calls the API. */
const CallerLocked = failure(
  'permission_denied',
  'edge.caller_locked',
  (lock: AccessLock) => `access denied: ${lockText(lock)}`,
);

/** Refuses a caller on whom a lock is. */
export function refuseLocked(lock: AccessLock | undefined): void {
  if (lock) throw CallerLocked(lock);
}

/** The lock on an agent or on the token by which it joined, as its certificate names them, if there is one. */
export type LockOnAgent = (agentId: string, joinToken?: string) => AccessLock | undefined;
