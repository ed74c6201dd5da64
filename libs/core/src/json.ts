import { failure } from './errors.ts';

/** A value that JSON can carry. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A JSON object. */
export type JsonObject = { readonly [key: string]: Json };

/** Text that is not JSON, or JSON that nobody sends in good faith. */
export const InvalidJson = failure(
  'invalid_argument',
  'core.invalid_json',
  (why: string) => `invalid JSON: ${why}`,
);

/** Reads untrusted JSON; refuses `__proto__` keys and NUL characters, which Postgres cannot store. */
export function parseJson(text: string): Json {
  if (text.includes('\\u0000') || text.includes('\0')) throw InvalidJson('a NUL character is not allowed');
  try {
    return JSON.parse(text, refuseProto) as Json;
  } catch (error) {
    if (InvalidJson.is(error)) throw error;
    throw InvalidJson.from(error, 'it could not be parsed');
  }
}

function refuseProto(key: string, value: unknown): unknown {
  if (key === '__proto__') throw InvalidJson('the key __proto__ is not allowed');
  return value;
}

/** JSON with keys sorted at every level: equal values give equal text. */
export function canonicalJson(value: Json): string {
  return JSON.stringify(value, (_, v: unknown) => (isPlainObject(v) ? sorted(v) : v));
}

/** Whether a value is an object in JSON's sense. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sorted(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.keys(value)
      .toSorted()
      .map((key) => [key, value[key]]),
  );
}
