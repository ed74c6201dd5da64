import { type AppError, type Failure, failure, messageOf } from '@postern/core';

/** Somebody else recorded this version of the stream first: load again and decide again. */
export const Conflict = failure(
  'conflict',
  'event_store.conflict',
  () => 'it was changed by somebody else at the same moment: read it again and retry',
);

/** An event whose predecessor is not recorded: a bug in the writer. */
export const VersionGap = failure(
  'internal',
  'event_store.version_gap',
  (streams: string) => `an event was to be recorded before its predecessor, in ${streams}`,
);

/** More than a message can carry. */
export const EventTooLarge = failure(
  'invalid_argument',
  'event_store.event_too_large',
  (type: string, maxBytes: number) =>
    `what ${type} records is larger than ${maxBytes} bytes: make it smaller or split it`,
);

/** One command id used for two commands. */
export const CommandReused = failure(
  'invalid_argument',
  'event_store.command_reused',
  (commandId: string) => `the command id ${commandId} was used for another command: choose a new one`,
);

/** Postgres cannot be reached, or is shutting down. */
export const StoreUnavailable = failure(
  'unavailable',
  'event_store.unavailable',
  () => 'the database cannot be reached; try again',
);

/** A statement ran longer than it may. */
export const StoreTimeout = failure(
  'deadline_exceeded',
  'event_store.timeout',
  () => 'the database took too long',
);

/** A row that must be the only one of its kind exists already. Services map their own constraints to better words. */
export const RowExists = failure(
  'already_exists',
  'event_store.row_exists',
  (constraint: string) => `there is one already (${constraint})`,
);

/** A value that Postgres refuses, such as a NUL character. */
export const RowRefused = failure(
  'invalid_argument',
  'event_store.row_refused',
  (rule: string) => `the database refuses this value (${rule})`,
);

/** A named constraint of a service and the domain failure that its violation means. */
export type ConstraintFailures = Readonly<Record<string, Failure<[]>>>;

interface Row {
  /** SQLSTATE, a class of it (two characters), or the code of a Node socket error. */
  readonly state: string;
  readonly constraint?: RegExp;
  readonly make: (cause: unknown, constraint: string) => AppError;
}

const table: readonly Row[] = [
  { state: '23505', constraint: /^es_event_(id|stream_version)$/, make: (cause) => Conflict.from(cause) },
  { state: '23505', make: (cause, constraint) => RowExists.from(cause, constraint) },
  { state: '23514', make: (cause, constraint) => RowRefused.from(cause, constraint) },
  { state: '22', make: (cause) => RowRefused.from(cause, 'invalid data') },
  { state: '40', make: (cause) => Conflict.from(cause) },
  { state: '55P03', make: (cause) => StoreTimeout.from(cause) },
  { state: '57014', make: (cause) => StoreTimeout.from(cause) },
  { state: '57P', make: (cause) => StoreUnavailable.from(cause) },
  { state: '53', make: (cause) => StoreUnavailable.from(cause) },
  { state: '08', make: (cause) => StoreUnavailable.from(cause) },
  { state: '25P03', make: (cause) => StoreUnavailable.from(cause) },
  ...[
    'ECONNREFUSED',
    'ECONNRESET',
    'EPIPE',
    'ENOENT',
    'ENOTFOUND',
    'EAI_AGAIN',
    'ETIMEDOUT',
    'EHOSTUNREACH',
  ].map((state): Row => ({ state, make: (cause) => StoreUnavailable.from(cause) })),
];

/** Errors of the driver itself, which carry no code. */
const lostConnection =
  /connection (terminated|ended|error)|terminating connection|client was closed|not queryable|timeout exceeded when trying to connect/i;

/** What a Postgres or socket error means to us: one table for every statement. Anything not in it is a bug of ours. */
export function translateError(error: unknown, constraints: ConstraintFailures = {}): unknown {
  const { code = '', constraint = '' } = (error ?? {}) as { code?: string; constraint?: string };
  const own = constraints[constraint];
  if (own) return own.from(error);
  const row = table.find((row) => code.startsWith(row.state) && (row.constraint?.test(constraint) ?? true));
  if (row) return row.make(error, constraint);
  if (error instanceof AggregateError) return translateError(error.errors[0], constraints);
  return lostConnection.test(messageOf(error)) ? StoreUnavailable.from(error) : error;
}
