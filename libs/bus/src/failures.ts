import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import { AppError, failure } from '@postern/core';

/** The bus cannot be reached, or was lost while an answer was awaited. */
export const BusUnavailable = failure(
  'unavailable',
  'bus.unavailable',
  () => 'the message bus cannot be reached; try again',
);

/** Nobody answers on this subject. */
export const NoResponder = failure(
  'unavailable',
  'bus.no_responder',
  (subject: string) => `nobody answers on ${subject}; try again`,
);

/** The answer did not come in time. */
export const BusTimeout = failure(
  'deadline_exceeded',
  'bus.timeout',
  (subject: string) => `no answer on ${subject} in time`,
);

/** The credential does not allow this subject. */
export const BusForbidden = failure(
  'permission_denied',
  'bus.forbidden',
  (subject: string) => `the bus credential does not allow ${subject}`,
);

/** The bus refused the credential. */
export const BusUnauthenticated = failure(
  'unauthenticated',
  'bus.unauthenticated',
  () => 'the message bus refuses the credential',
);

/** The server of the bus shows a certificate that is not of the authority we were told of, or not for its name. */
export const BusNotTrusted = failure(
  'failed_precondition',
  'bus.not_trusted',
  (why: string) =>
    `the certificate of the message bus is not trusted (${why}): give its authority (POSTERN_BUS_CA_FILE) and the name it was issued for`,
);

/** A JetStream stream ends at another message than the writer expected. */
export const WrongSequence = failure(
  'conflict',
  'bus.wrong_sequence',
  (subject: string) => `somebody else wrote to the JetStream stream of ${subject}`,
);

/** JetStream refused a request: a bug, or a full disk. The text is the server's. */
export const JetStreamRefused = failure(
  'internal',
  'bus.jetstream_refused',
  (what: string, why: string) => `JetStream refuses ${what}: ${why}`,
);

/** What an error of the NATS client means to us: one table for every call. Anything not in it is a bug of ours. */
export function translateError(error: unknown, subject: string): unknown {
  if (error instanceof AppError) return error;
  if (isNoResponder(error)) return NoResponder.from(error, subject);
  if (error instanceof errors.TimeoutError) return BusTimeout.from(error, subject);
  if (isForbidden(error)) return BusForbidden.from(error, subject);
  if (isAuthorization(error)) return BusUnauthenticated.from(error);
  if (isDistrust(error)) return BusNotTrusted.from(error, error.code);
  if (isDisconnection(error)) return BusUnavailable.from(error);
  return error instanceof JetStreamApiError ? translateApiError(error, subject) : error;
}

function translateApiError(error: JetStreamApiError, subject: string): AppError {
  const codes: number[] = [
    JetStreamApiCodes.StreamWrongLastSequence,
    JetStreamApiCodes.StreamWrongLastSequenceUnknown,
  ];
  if (codes.includes(error.code)) return WrongSequence.from(error, subject);
  if (error.status === 503) return BusUnavailable.from(error);
  return JetStreamRefused.from(error, subject, error.message);
}

function isNoResponder(error: unknown): boolean {
  if (error instanceof errors.NoRespondersError) return true;
  if (error instanceof errors.RequestError && error.isNoResponders()) return true;
  // How the client names a publish that no JetStream stream took.
  return error instanceof Error && error.name === 'JetStreamNotEnabled';
}

function isForbidden(error: unknown): boolean {
  if (error instanceof errors.PermissionViolationError) return true;
  return error instanceof errors.RequestError && error.cause instanceof errors.PermissionViolationError;
}

function isAuthorization(error: unknown): boolean {
  return error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError;
}

function isDistrust(error: unknown): error is Error & { readonly code: string } {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^(ERR_TLS_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_)/.test(code);
}

function isDisconnection(error: unknown): boolean {
  const isOurs = [
    errors.ClosedConnectionError,
    errors.ConnectionError,
    errors.DrainingConnectionError,
    errors.RequestError,
  ].some((type) => error instanceof type);
  const code = (error as { code?: unknown } | null)?.code;
  return isOurs || (typeof code === 'string' && /^(ECONN|EPIPE|ENOTFOUND|ETIMEDOUT|EAI_|EHOST)/.test(code));
}
