import { failure } from '@postern/core';

/** No valid credential. The log tells what was wrong with it; the caller is not told. */
export const Unauthenticated = failure(
  'unauthenticated',
  'http.unauthenticated',
  () => 'a valid client certificate is needed',
);

/** The caller is known and may not do this. */
export const Forbidden = failure('permission_denied', 'http.forbidden', () => 'you may not do this');

/** A request that does not fit the schema of its operation. */
export const InvalidRequest = failure('invalid_argument', 'http.invalid_request', (why: string) => why);

/** A path that no operation has. */
export const NoSuchOperation = failure('not_found', 'http.not_found', () => 'there is no such operation');

/** A path that has operations, but none of this method. */
export const MethodNotAllowed = failure(
  'invalid_argument',
  'http.method_not_allowed',
  (allowed: string) => `only ${allowed} is possible here`,
);

/** A body in a form that nobody asked for. */
export const UnsupportedMediaType = failure(
  'invalid_argument',
  'http.unsupported_media_type',
  () => 'the body must be sent as application/json, in UTF-8 and without an encoding',
);

/** A body larger than its operation takes. */
export const BodyTooLarge = failure('invalid_argument', 'http.body_too_large', () => 'the body is too large');

/** More or longer header fields than anyone sends in good faith. */
export const HeadersTooLarge = failure(
  'invalid_argument',
  'http.headers_too_large',
  () => 'the header is too large',
);

/** Bytes that are not HTTP. */
export const MalformedRequest = failure(
  'invalid_argument',
  'http.malformed_request',
  () => 'the request is malformed',
);

/** A client that took too long to send its request. */
export const RequestTimeout = failure(
  'deadline_exceeded',
  'http.request_timeout',
  () => 'the request took too long to arrive',
);

/** What HTTP can say more precisely than the table of failure kinds. */
const statusByCode: Readonly<Record<string, number>> = {
  [MethodNotAllowed.code]: 405,
  [RequestTimeout.code]: 408,
  [BodyTooLarge.code]: 413,
  [UnsupportedMediaType.code]: 415,
  [HeadersTooLarge.code]: 431,
};

/** The more precise status of a failure code, if there is one. */
export function preciseStatus(code: string): number | undefined {
  return Object.hasOwn(statusByCode, code) ? statusByCode[code] : undefined;
}
