/** What one user may have of an edge. Zero is no limit. Each replica counts for itself. */
export interface UserLimits {
  /** Requests per second, on average. */
  readonly requestsPerSecond: number;
  /** Requests under way in all clusters, watches and sessions included. */
  readonly open: number;
  /** Requests under way in one cluster: one that hangs must not take what the user has left for others. */
  readonly openPerCluster: number;
  /** exec, attach and port-forward under way. Roles may allow fewer. */
  readonly sessions: number;
}

/** Far more than a person with a few programs ever has. */
export const defaultUserLimits: UserLimits = {
  requestsPerSecond: 2000,
  open: 20_000,
  openPerCluster: 12_000,
  sessions: 1000,
};
