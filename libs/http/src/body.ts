import type { IncomingMessage } from 'node:http';
import { type Json, parseJson } from '@postern/core';
import { InvalidRequest, UnsupportedMediaType } from './failures.ts';

// One spelling, told by this expression alone: parsers disagree about blanks, tabs and parameters, and where two of them
// disagree a body gets past its check.
const jsonMediaType = /^application\/json(?:; ?charset="?utf-8"?)?$/i;

/** Refuses a body that is not plain JSON, before it is read. Answers whether there is one at all. */
export function checkBodyHeaders(request: IncomingMessage): boolean {
  const { headers } = request;
  const isEncoded = (headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity';
  if (isEncoded) throw UnsupportedMediaType();
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  if (hasBody && !jsonMediaType.test(headers['content-type'] ?? '')) throw UnsupportedMediaType();
  if (hasBody && countOf(request, 'content-type') !== 1) throw UnsupportedMediaType();
  return hasBody;
}

function countOf(request: IncomingMessage, name: string): number {
  return request.rawHeaders.filter((field, index) => index % 2 === 0 && field.toLowerCase() === name).length;
}

const maxDepth = 100;

/** Reads an untrusted body. Refuses what JSON can say and nothing behind it can keep: see `parseJson`, and deep nesting. */
export function readBody(bytes: Buffer): Json {
  const value = parseJson(utf8(bytes));
  checkDepth(value, 0);
  return value;
}

function utf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw InvalidRequest.from(error, 'the body is not UTF-8');
  }
}

function checkDepth(value: Json, depth: number): void {
  if (typeof value === 'number' && !Number.isFinite(value))
    throw InvalidRequest('the body holds a number out of range');
  if (typeof value !== 'object' || value === null) return;
  if (depth >= maxDepth) throw InvalidRequest(`the body is nested deeper than ${maxDepth} levels`);
  for (const item of Object.values(value)) checkDepth(item, depth + 1);
}
