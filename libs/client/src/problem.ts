import { AppError, failure, type FailureKind, failureKinds, isPlainObject } from '@postern/core';

/** The answer is none of ours: another program listens there, or a gateway stands in between. */
export const NotAProxy = failure(
  'unavailable',
  'client.not_a_proxy',
  (address: string, status: number) => `${address} did not answer like a Postern proxy (HTTP ${status})`,
);

/** What an error answer is made of. */
export interface ErrorAnswer {
  readonly address: string;
  readonly status: number;
  readonly body: string;
}

const kindOfStatus: Readonly<Record<number, FailureKind>> = {
  400: 'invalid_argument',
  401: 'unauthenticated',
  403: 'permission_denied',
  404: 'not_found',
  412: 'conflict',
  413: 'invalid_argument',
  415: 'invalid_argument',
  422: 'failed_precondition',
  429: 'resource_exhausted',
  500: 'internal',
  502: 'unavailable',
  503: 'unavailable',
  504: 'deadline_exceeded',
};

/** The error a problem document (RFC 9457) or a Kubernetes Status stands for, with the server's code and words. */
export function errorOfAnswer(answer: ErrorAnswer): AppError {
  const body = parsed(answer.body);
  const message = textOf(body?.['detail']) ?? textOf(body?.['message']);
  if (!body || message === undefined) return NotAProxy(answer.address, answer.status);
  const code = textOf(body['code']) ?? 'client.refused';
  return new AppError(kindOf(answer.status, `${code} ${textOf(body['title']) ?? ''}`), code, message);
}

/** 409 means both `already_exists` and `conflict`: the title or the code tells which. */
function kindOf(status: number, words: string): FailureKind {
  if (status === 409) return /already.?exists/i.test(words) ? 'already_exists' : 'conflict';
  const known = kindOfStatus[status];
  if (known) return known;
  return status >= 500 ? 'internal' : 'invalid_argument';
}

/** Whether asking again may help. */
export function isTransient(status: number): boolean {
  return status === failureKinds.unavailable.http || status === 502;
}

function parsed(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return isPlainObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
