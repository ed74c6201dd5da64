import { failure, isPlainObject, messageOf, parseDuration } from '@postern/core';
import type { Fields, LabelPatterns } from '@postern/contracts';
import { readBoolean } from '../boolean.ts';
import { type NetworkAddress, readAddress } from '../network-address.ts';

/** A `teleport.yaml` that is refused. The message names the key. */
export const InvalidTeleportYaml = failure(
  'invalid_argument',
  'config.invalid_teleport_yaml',
  (why: string) => why,
);

/** What reading a file collects on the way. */
export interface Reading {
  readonly notices: string[];
}

/** Whether a service is enabled; an absent or empty `enabled` leaves that to the section's default. */
export function readEnabled(fields: Fields, byDefault: boolean): boolean {
  const raw = fields.raw('enabled');
  if (raw === undefined || raw === '') return byDefault;
  return at(fields, 'enabled', () => readBoolean(scalar(raw)));
}

/** A yes or no that is not `enabled`. */
export function readFlag(fields: Fields, name: string, byDefault: boolean): boolean {
  const raw = fields.raw(name);
  return raw === undefined ? byDefault : at(fields, name, () => readBoolean(scalar(raw)));
}

/** `host:port`, the port being optional where there is a default. */
export function readAddressField(
  fields: Fields,
  name: string,
  defaultPort?: number,
): NetworkAddress | undefined {
  const text = fields.string(name);
  return text === undefined || text === ''
    ? undefined
    : at(fields, name, () => readAddress(text, defaultPort));
}

/** One `host:port` or a list of them. */
export function readAddresses(fields: Fields, name: string, defaultPort: number): NetworkAddress[] {
  return textsOf(fields, name).map((text) => at(fields, name, () => readAddress(text, defaultPort)));
}

/** One text or a list of texts. */
export function textsOf(fields: Fields, name: string): string[] {
  const raw = fields.raw(name);
  if (raw === undefined || raw === '') return [];
  return at(fields, name, () => (Array.isArray(raw) ? raw.map(text) : [text(raw)]));
}

/** A Go duration in milliseconds. */
export function readDurationField(fields: Fields, name: string, byDefault: string, minMs = 0): number {
  const value = fields.string(name) || byDefault;
  const ms = at(fields, name, () => parseDuration(value));
  if (ms < minMs) throw InvalidTeleportYaml(`${fields.at(name)}: ${value} is too short`);
  return ms;
}

/** Labels of a thing: one scalar each. */
export function readLabels(fields: Fields, name: string): Record<string, string> {
  return Object.fromEntries(labelEntries(fields, name, (value) => scalar(value)));
}

/** A label selector: one scalar or a list of scalars each. */
export function readPatterns(fields: Fields, name: string): LabelPatterns {
  return Object.fromEntries(labelEntries(fields, name, patternsOf));
}

function patternsOf(value: unknown): string[] {
  const patterns = Array.isArray(value) ? value.map(scalar) : [scalar(value)];
  if (patterns.length === 0) throw new Error('must name at least one value');
  return patterns;
}

function labelEntries<T>(fields: Fields, name: string, read: (value: unknown) => T): [string, T][] {
  const raw = fields.raw(name) ?? {};
  if (!isPlainObject(raw)) throw InvalidTeleportYaml(`${fields.at(name)} must be a mapping`);
  return Object.entries(raw).map(([key, value]) => [key, at(fields, `${name}.${key}`, () => read(value))]);
}

/** Says in a notice that fields have no effect here, and keeps `end()` from refusing them. */
export function ignore({ notices }: Reading, fields: Fields, ...names: string[]): void {
  const given = names.filter((name) => fields.has(name));
  fields.ignore(...names);
  if (given.length > 0)
    notices.push(`${given.map((name) => fields.at(name)).join(', ')}: not used by Postern, ignored`);
}

/** Runs a parser and puts the path of the field before its refusal. */
export function at<T>(fields: Fields, name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw InvalidTeleportYaml.from(error, `${fields.at(name)}: ${messageOf(error)}`);
  }
}

/** YAML reads `8080` and `true` as something else than text where text is meant. */
function scalar(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return String(value);
  throw new Error('must be a single value');
}

function text(value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new Error('must be a text or a list of texts');
}
