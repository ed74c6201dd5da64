import { STATUS_CODES } from 'node:http';
import { AppError, failureKinds, toAppError } from '@postern/core';
import { BodyTooLarge, MalformedRequest, preciseStatus, UnsupportedMediaType } from './failures.ts';

/** The media type of RFC 9457. */
export const problemMediaType = 'application/problem+json';

/** A refusal on the wire, as RFC 9457 has it. */
export interface Problem {
  readonly type: 'about:blank';
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** Stable; docs/errors.md lists them all. */
  readonly code: string;
  readonly traceId?: string;
}

/** What a caller is told about an error. An error that is not ours is an internal one and hides its text. */
export function problemOf(error: unknown, traceId?: string): Problem {
  const known = knownError(error);
  const status = preciseStatus(known.code) ?? failureKinds[known.kind].http;
  return {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail: known.message,
    code: known.code,
    ...(traceId === undefined ? {} : { traceId }),
  };
}

/** A caught error as one of ours, with fastify's own refusals translated. */
export function knownError(error: unknown): AppError {
  return error instanceof AppError ? error : (frameworkError(error) ?? toAppError(error));
}

function frameworkError(error: unknown): AppError | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return BodyTooLarge.from(error);
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return UnsupportedMediaType.from(error);
  const isClients = typeof code === 'string' && code.startsWith('FST_ERR_') && statusOf(error) < 500;
  return isClients ? MalformedRequest.from(error) : undefined;
}

function statusOf(error: unknown): number {
  const status: unknown = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  return typeof status === 'number' ? status : 500;
}
