import { AppError, type FailureKind } from '@postern/core';
import { ProtocolBroken, TunnelClosed } from './failures.ts';

const numbers: Readonly<Record<FailureKind, number>> = {
  internal: 0,
  invalid_argument: 1,
  unauthenticated: 2,
  permission_denied: 3,
  not_found: 4,
  already_exists: 5,
  conflict: 6,
  failed_precondition: 7,
  resource_exhausted: 8,
  unavailable: 9,
  deadline_exceeded: 10,
};
const kinds = new Map(Object.entries(numbers).map(([kind, number]) => [number, kind as FailureKind]));

const mostMessageBytes = 1024;
const codeShape = /^[a-z0-9_]{1,40}\.[a-z0-9_]{1,60}$/;
const unprintable = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** An error for the peer: kind, code and message, never its cause or stack. */
export function tellError({ kind, code, message }: AppError): Buffer {
  const told = codeShape.test(code) ? code : TunnelClosed.code;
  return Buffer.concat([
    Buffer.from([numbers[kind], told.length]),
    Buffer.from(told, 'latin1'),
    Buffer.from(message.slice(0, mostMessageBytes), 'utf8').subarray(0, mostMessageBytes),
  ]);
}

/** The error that a peer told. Its message is text of the peer, bounded, without anything that steers a terminal or a log. */
export function readError(payload: Buffer): AppError {
  const codeEnd = 2 + (payload[1] ?? 0);
  const kind = kinds.get(payload[0] ?? -1);
  const code = payload.toString('latin1', 2, codeEnd);
  if (kind === undefined || payload.length < codeEnd || !codeShape.test(code))
    throw ProtocolBroken('an error that cannot be read');
  const message = payload.toString('utf8', codeEnd, codeEnd + mostMessageBytes);
  return new AppError(kind, code, message.replace(unprintable, '\ufffd'));
}
