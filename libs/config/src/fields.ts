import { formatDuration, parseDuration, Secret } from '@postern/core';
import { readBoolean } from './boolean.ts';
import { field, type Field, type FieldOptions } from './field.ts';
import { formatAddress, type NetworkAddress, readAddress } from './network-address.ts';

/** Any text. */
export function text(variable: string, options: FieldOptions & { readonly pattern?: RegExp }): Field<string> {
  return field(variable, options, (value) => {
    if (options.pattern && !options.pattern.test(value)) throw new Error(`must match ${options.pattern}`);
    return value;
  });
}

/** One of a few words. */
export function oneOf<const W extends string>(
  variable: string,
  words: readonly W[],
  options: FieldOptions,
): Field<W> {
  return field(variable, options, (value) => {
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) throw new Error(`must be one of ${words.join(', ')}`);
    return word;
  });
}

/** Yes or no, in the spellings that `teleport.yaml` knows. */
export function flag(variable: string, options: FieldOptions): Field<boolean> {
  return field(variable, options, readBoolean);
}

/** A whole number within bounds. */
export function integer(
  variable: string,
  options: FieldOptions & { readonly min?: number; readonly max?: number },
): Field<number> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = options;
  return field(variable, options, (value) => {
    const number = /^-?\d+$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= min && number <= max)) throw new Error(`must be a whole number from ${min} to ${max}`);
    return number;
  });
}

/** A Go duration within bounds, in milliseconds. */
export function duration(
  variable: string,
  options: FieldOptions & { readonly minMs?: number; readonly maxMs?: number },
): Field<number> {
  const { minMs = 0, maxMs = Number.MAX_SAFE_INTEGER } = options;
  return field(variable, options, (value) => {
    const ms = parseDuration(value);
    if (ms < minMs) throw new Error(`must be at least ${formatDuration(minMs)}`);
    if (ms > maxMs) throw new Error(`must be at most ${formatDuration(maxMs)}`);
    return ms;
  });
}

/** A comma-separated list; blanks around the items do not count, empty items are refused. */
export function list(variable: string, options: FieldOptions): Field<readonly string[]> {
  return field(variable, options, (value) => items(value));
}

/** `host:port`; `:port` means every interface. */
export function address(variable: string, options: FieldOptions): Field<NetworkAddress> {
  return field(variable, options, readAddress);
}

/** A comma-separated list of `host:port`; the port may be left out where there is a default. */
export function addresses(
  variable: string,
  options: FieldOptions & { readonly defaultPort: number },
): Field<readonly string[]> {
  return field(variable, options, (value) =>
    items(value).map((item) => formatAddress(readAddress(item, options.defaultPort))),
  );
}

/** A comma-separated list of `https://host:port`, without credentials, path or query. */
export function httpsUrls(variable: string, options: FieldOptions): Field<readonly string[]> {
  return field(variable, options, (value) => items(value).map(originOf));
}

/** A text that must not be shown, such as a URL with a password. Prefer `secretFile`. */
export function secretText(variable: string, options: FieldOptions): Field<Secret> {
  return field(variable, { ...options, isSecret: true }, (value) => new Secret(value));
}

function items(value: string): string[] {
  const parts = value.split(',').map((part) => part.trim());
  if (parts.includes('')) throw new Error('must be a comma-separated list without empty items');
  return parts;
}

function originOf(value: string): string {
  const url = URL.parse(value);
  const isOrigin = url?.protocol === 'https:' && `${url.origin}/` === url.href && url.username === '';
  if (!isOrigin) throw new Error('must be like https://host:port');
  return url.origin;
}
