import { type AppError, failure } from '@postern/core';

/** The caller has not the permission that an operation needs. */
export const AwsDenied = failure(
  'permission_denied',
  'aws.denied',
  (action: string, where: string, why: string) =>
    `AWS denied ${action} in ${where}: allow it in a policy of the identity used there (${why})`,
);

/** AWS had too many requests. */
export const AwsThrottled = failure(
  'resource_exhausted',
  'aws.throttled',
  (action: string, where: string) => `AWS throttled ${action} in ${where}: it is asked again more slowly`,
);

/** Credentials have ended, and no newer ones were found. */
export const AwsCredentialsExpired = failure(
  'unauthenticated',
  'aws.credentials_expired',
  (action: string, where: string) =>
    `the credentials for ${action} in ${where} have expired: renew those that this process is given`,
);

/** Credentials are not known to the region, which may be because the account has not enabled it. */
export const AwsCredentialsRefused = failure(
  'unauthenticated',
  'aws.credentials_refused',
  (action: string, where: string, why: string) =>
    `AWS does not take the credentials for ${action} in ${where} (${why}): the region may not be enabled, the key deleted, or the clock of this machine wrong`,
);

/** Something is not there. */
export const AwsNotFound = failure(
  'not_found',
  'aws.not_found',
  (action: string, where: string) => `AWS found nothing for ${action} in ${where}`,
);

/** An answer that AWS would not give, or not the whole of one. */
export const AwsMalformed = failure(
  'unavailable',
  'aws.malformed_answer',
  (action: string, where: string, why: string) =>
    `the answer to ${action} in ${where} is not one of AWS: ${why}; is there a proxy or an endpoint override on the way?`,
);

/** No answer in time. */
export const AwsTimedOut = failure(
  'deadline_exceeded',
  'aws.timed_out',
  (action: string, where: string) => `AWS did not answer ${action} in ${where} in time`,
);

/** No answer, or that there is none now. */
export const AwsUnavailable = failure(
  'unavailable',
  'aws.unavailable',
  (action: string, where: string, why: string) => `AWS cannot answer ${action} in ${where} now: ${why}`,
);

/** A request that AWS will not take, whenever it is put. */
export const AwsRefused = failure(
  'invalid_argument',
  'aws.refused',
  (action: string, where: string, why: string) => `AWS refused ${action} in ${where}: ${why}`,
);

/** What an answer was to, for messages: an action as policies name it, and `account/region` or a region. */
export interface Asked {
  readonly action: string;
  readonly where: string;
}

const throttling = new Set([
  'Throttling',
  'ThrottlingException',
  'ThrottledException',
  'TooManyRequestsException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'RequestThrottledException',
  'SlowDown',
]);
const denial = new Set(['AccessDenied', 'AccessDeniedException', 'UnauthorizedOperation', 'Forbidden']);
const expiry = new Set(['ExpiredToken', 'ExpiredTokenException', 'RequestExpired']);
const unknownSigner = new Set([
  'InvalidClientTokenId',
  'UnrecognizedClientException',
  'AuthFailure',
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
  'IncompleteSignature',
  'IncompleteSignatureException',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'RegionDisabledException',
  'OptInRequired',
]);

/** An error answer of any AWS service as ours, by the code it names; by its status where it names none. */
export function refusalOf(
  { action, where }: Asked,
  { status, code, message }: { readonly status: number; readonly code: string; readonly message: string },
): AppError {
  const why = [code || `status ${status}`, oneLine(message)].filter((part) => part !== '').join(': ');
  if (throttling.has(code) || status === 429) return AwsThrottled(action, where);
  if (denial.has(code)) return AwsDenied(action, where, why);
  if (expiry.has(code)) return AwsCredentialsExpired(action, where);
  if (unknownSigner.has(code)) return AwsCredentialsRefused(action, where, why);
  if (status >= 500) return AwsUnavailable(action, where, why);
  if (status === 404 && code.endsWith('NotFoundException')) return AwsNotFound(action, where);
  if (code === '') return AwsMalformed(action, where, why);
  return AwsRefused(action, where, why);
}

/** What others wrote, fit for a line of a log or a table. */
function oneLine(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .slice(0, 300)
    .toWellFormed();
}
