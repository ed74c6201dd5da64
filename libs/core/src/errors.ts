/**
 * The kinds of failure and what each transport makes of them. HTTP answers, metav1.Status bodies, CLI exit codes and
 * bus consumers all read this one table, so that a refusal means the same wherever it surfaces.
 */
export const failureKinds = {
  invalid_argument: { http: 400, reason: 'BadRequest', exit: 2, consumer: 'term' },
  unauthenticated: { http: 401, reason: 'Unauthorized', exit: 3, consumer: 'term' },
  permission_denied: { http: 403, reason: 'Forbidden', exit: 4, consumer: 'term' },
  not_found: { http: 404, reason: 'NotFound', exit: 5, consumer: 'term' },
  already_exists: { http: 409, reason: 'AlreadyExists', exit: 6, consumer: 'ack' },
  conflict: { http: 409, reason: 'Conflict', exit: 6, consumer: 'retry' },
  failed_precondition: { http: 422, reason: 'Invalid', exit: 7, consumer: 'term' },
  resource_exhausted: { http: 429, reason: 'TooManyRequests', exit: 8, consumer: 'delay' },
  unavailable: { http: 503, reason: 'ServiceUnavailable', exit: 9, consumer: 'delay' },
  deadline_exceeded: { http: 504, reason: 'Timeout', exit: 9, consumer: 'delay' },
  internal: { http: 500, reason: 'InternalError', exit: 1, consumer: 'park' },
} as const satisfies Record<string, FailureRow>;

interface FailureRow {
  readonly http: number;
  readonly reason: string;
  readonly exit: number;
  readonly consumer: 'term' | 'ack' | 'retry' | 'delay' | 'park';
}

/** One of the closed list of failure kinds. */
export type FailureKind = keyof typeof failureKinds;

/** The one error class. `code` is `context.snake_case`, stable, and documented in docs/errors.md. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly kind: FailureKind;
  readonly code: string;

  constructor(kind: FailureKind, code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
    this.code = code;
  }
}

/** Makes errors of one code. `is` tells whether a caught value is one of them. */
export interface Failure<A extends readonly unknown[]> {
  (...args: A): AppError;
  readonly kind: FailureKind;
  readonly code: string;
  /** The same error, carrying the foreign error that led to it. */
  from(cause: unknown, ...args: A): AppError;
  is(error: unknown): error is AppError;
}

/**
 * Declares a failure where it is thrown: `const TokenExpired = failure('permission_denied', 'join.token_expired', (n: string) => …)`.
 * The message says what was refused and what to do; it never holds a secret.
 */
export function failure<A extends readonly unknown[]>(
  kind: FailureKind,
  code: string,
  message: (...args: A) => string,
): Failure<A> {
  const make = (...args: A) => new AppError(kind, code, message(...args));
  const from = (cause: unknown, ...args: A) => new AppError(kind, code, message(...args), { cause });
  const is = (error: unknown): error is AppError => error instanceof AppError && error.code === code;
  return Object.assign(make, { kind, code, from, is });
}

/** Any thrown value as an AppError: what is not ours already is an internal failure that hides its text. */
export function toAppError(error: unknown): AppError {
  return error instanceof AppError ? error : Unexpected.from(error);
}

/** A bug of ours. The cause is for the log; nobody outside sees its text. */
export const Unexpected = failure(
  'internal',
  'core.unexpected',
  () => 'an unexpected error happened; it has been logged',
);

/** The message of any thrown value, for logs. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
