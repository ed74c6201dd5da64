import { failure, isPlainObject } from '@postern/core';

/** A resource document that its kind refuses. The message names the field and never repeats a secret value. */
export const InvalidResource = failure(
  'invalid_argument',
  'contracts.invalid_resource',
  (why: string) => why,
);

const rfc3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

/**
 * Reads an untrusted mapping field by field and remembers which fields were asked for, so that `end()` can refuse the rest
 * with their paths. A misspelt field would otherwise be a restriction that silently does not apply.
 */
export class Fields {
  readonly path: string;
  readonly #source: Record<string, unknown>;
  readonly #read = new Set<string>();

  /** `value` is untrusted; nothing at all counts as an empty mapping. */
  constructor(value: unknown, path: string) {
    const source = value ?? {};
    if (!isPlainObject(source)) throw InvalidResource(`${path || 'the document'} must be a mapping`);
    this.path = path;
    this.#source = source;
  }

  /** The path of a field of this mapping, for messages. */
  at(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }

  /** The raw value; absent and `null` are the same. */
  raw(name: string): unknown {
    this.#read.add(name);
    return Object.hasOwn(this.#source, name) ? (this.#source[name] ?? undefined) : undefined;
  }

  /** Whether the field is there and not `null`. Does not count as reading it. */
  has(name: string): boolean {
    return (
      Object.hasOwn(this.#source, name) && this.#source[name] !== null && this.#source[name] !== undefined
    );
  }

  /** Fields that are accepted and not kept. */
  ignore(...names: string[]): void {
    for (const name of names) this.#read.add(name);
  }

  string(name: string): string | undefined {
    const value = this.raw(name);
    if (value === undefined || typeof value === 'string') return value;
    throw InvalidResource(`${this.at(name)} must be a string`);
  }

  boolean(name: string): boolean | undefined {
    const value = this.raw(name);
    if (value === undefined || typeof value === 'boolean') return value;
    throw InvalidResource(`${this.at(name)} must be true or false`);
  }

  integer(name: string): number | undefined {
    const value = this.raw(name);
    if (value === undefined || Number.isSafeInteger(value)) return value as number | undefined;
    throw InvalidResource(`${this.at(name)} must be a whole number`);
  }

  /** A moment in RFC 3339, as UTC with milliseconds. */
  time(name: string): string | undefined {
    const raw = this.raw(name);
    if (raw === undefined) return undefined;
    const text = raw instanceof Date ? raw.toISOString() : raw;
    const millis = typeof text === 'string' && rfc3339.test(text) ? Date.parse(text) : Number.NaN;
    if (Number.isNaN(millis))
      throw InvalidResource(`${this.at(name)} must be a time like 2030-01-02T15:04:05Z`);
    return new Date(millis).toISOString();
  }

  /** A list of strings. */
  strings(name: string): string[] | undefined {
    return this.list(name)?.map((item, index) => {
      if (typeof item === 'string') return item;
      throw InvalidResource(`${this.at(name)}[${index}] must be a string`);
    });
  }

  /** A list of anything. */
  list(name: string): unknown[] | undefined {
    const value = this.raw(name);
    if (value === undefined || Array.isArray(value)) return value;
    throw InvalidResource(`${this.at(name)} must be a list`);
  }

  /** A nested mapping; absent is undefined. */
  mapping(name: string): Fields | undefined {
    const value = this.raw(name);
    return value === undefined ? undefined : new Fields(value, this.at(name));
  }

  /** A list of mappings; absent is an empty list. */
  mappings(name: string): Fields[] {
    return (this.list(name) ?? []).map((item, index) => {
      if (isPlainObject(item)) return new Fields(item, `${this.at(name)}[${index}]`);
      throw InvalidResource(`${this.at(name)}[${index}] must be a mapping`);
    });
  }

  /** A mapping of strings to strings, such as labels of a target. */
  stringMap(name: string): Record<string, string> | undefined {
    const map = this.mapping(name);
    return map && Object.fromEntries(map.names().map((key) => [key, map.string(key)!]));
  }

  /** Every field name there is. */
  names(): string[] {
    return Object.keys(this.#source);
  }

  /** Refuses every field that nobody asked for. Call it last. */
  end(): void {
    const unknown = this.names().find((name) => !this.#read.has(name));
    if (unknown !== undefined) throw InvalidResource(`unknown field "${this.at(unknown.slice(0, 100))}"`);
  }
}
