/** How the access of agents to a cluster stands. */
export type AccessState =
  /** They have it. */
  | 'prepared'
  /** The identity that scans may not set it up, or not all of it; it is for somebody else to do. */
  | 'denied'
  /** The cluster knows no access entries. */
  | 'unsupported'
  /** The API server cannot be reached from here. */
  | 'unreachable'
  /** Something is in the way that is not ours to change. */
  | 'in_the_way'
  /** It did not work this time. */
  | 'failed';

/** What came of setting access up, for status, log and event. */
export interface AccessOutcome {
  readonly state: AccessState;
  /** For people: what is missing and what to do. Empty where all is well. */
  readonly message: string;
  /** Whether anything was changed. */
  readonly isChanged: boolean;
}
