import { AppError, Secret } from '@postern/core';

/** A value that a log field may hold; everything is capped, and what cannot be told prints as its type. */
export type LogField = unknown;

interface LogRecord {
  readonly at: Date;
  readonly level: string;
  readonly name: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, LogField>>;
}

const maxTextLength = 2_000;
const maxItems = 50;
const maxDepth = 4;
const maxLineLength = 16_000;

/** A record as one line of JSON. */
export function renderJson({ at, level, name, message, fields }: LogRecord): string {
  const head = { time: at.toISOString(), level, service: name, message: capped(message) };
  const line = escaped(JSON.stringify({ ...plainFields(fields), ...head }));
  if (line.length <= maxLineLength) return line;
  return escaped(JSON.stringify({ ...head, omitted: `fields of ${line.length} characters` }));
}

/** A record as one line for a person. */
export function renderText({ at, level, name, message, fields }: LogRecord): string {
  const pairs = Object.entries(plainFields(fields)).map(([key, value]) => ` ${quoted(key)}=${textOf(value)}`);
  const line = `${at.toISOString()} ${level.toUpperCase().padEnd(5)} ${name} ${escaped(oneLine(capped(message)))}${pairs.join('')}`;
  return line.length <= maxLineLength ? line : `${line.slice(0, maxLineLength)}…`;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? quoted(value) : escaped(JSON.stringify(value) ?? 'undefined');
}

function quoted(text: string): string {
  return /^[\w./:@+-]+$/.test(text) ? text : escaped(JSON.stringify(text));
}

function oneLine(text: string): string {
  return JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"');
}

// JSON.stringify escapes C0 only. DEL and C1 drive terminals too, the separators end lines for some readers, and bidi
// controls reorder what a person sees.
const invisible = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;

function escaped(json: string): string {
  return json.replaceAll(invisible, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function plainFields(fields: Readonly<Record<string, LogField>>): Record<string, unknown> {
  return Object.fromEntries(entriesOf(fields, 0));
}

function plain(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return capped(value);
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return value;
  if (value === undefined) return undefined;
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'object') return plainObject(value, depth);
  return `<${typeof value}>`;
}

function plainObject(value: object, depth: number): unknown {
  if (value instanceof Secret) return '***';
  if (value instanceof Error) return plainError(value, depth);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (ArrayBuffer.isView(value)) return `<${value.byteLength} bytes>`;
  if (depth >= maxDepth) return '<deep>';
  if (Array.isArray(value)) return plainList(value, depth);
  return Object.fromEntries(entriesOf(value as Record<string, unknown>, depth));
}

function plainList(items: readonly unknown[], depth: number): unknown[] {
  const shown = items.slice(0, maxItems).map((item) => plain(item, depth + 1));
  return items.length > maxItems ? [...shown, `<${items.length - maxItems} more>`] : shown;
}

function entriesOf(value: Readonly<Record<string, unknown>>, depth: number): [string, unknown][] {
  const keys = Object.keys(value);
  const shown = keys
    .slice(0, maxItems)
    .map((key): [string, unknown] => [capped(key), plain(value[key], depth + 1)]);
  return keys.length > maxItems ? [...shown, ['…', `<${keys.length - maxItems} more>`]] : shown;
}

function plainError(error: Error, depth: number): Record<string, unknown> {
  const code = error instanceof AppError ? { kind: error.kind, code: error.code } : codeOf(error);
  const stack =
    error instanceof AppError && error.cause === undefined ? {} : { stack: capped(error.stack ?? '') };
  const cause =
    error.cause === undefined || depth >= maxDepth ? {} : { cause: plain(error.cause, depth + 1) };
  return { name: capped(error.name), ...code, message: capped(error.message), ...stack, ...cause };
}

function codeOf(error: Error): { code?: string } {
  const code: unknown = 'code' in error ? error.code : undefined;
  return typeof code === 'string' || typeof code === 'number' ? { code: capped(String(code)) } : {};
}

function capped(text: string): string {
  const safe = text.includes('PRIVATE KEY-----') ? '<private key>' : text;
  return safe.length <= maxTextLength
    ? safe
    : `${safe.slice(0, maxTextLength)}…<${safe.length - maxTextLength} more>`;
}
