import { AppError, type FailureKind, failureKinds } from '@postern/core';
import type { BusHeaders } from './connection.ts';

const kindHeader = 'Postern-Error-Kind';
const codeHeader = 'Postern-Error-Code';

/** Header fields of an answer that is a failure; its body is the message. */
export function errorHeaders(kind: FailureKind, code: string): BusHeaders {
  return { [kindHeader]: kind, [codeHeader]: code };
}

/** Throws the failure that an answer stands for. */
export function throwIfError(headers: BusHeaders, message: string): void {
  const code = headers[codeHeader];
  if (code === undefined) return;
  const kind = headers[kindHeader] ?? '';
  throw new AppError(isKind(kind) ? kind : 'internal', code, message);
}

function isKind(text: string): text is FailureKind {
  return Object.hasOwn(failureKinds, text);
}
