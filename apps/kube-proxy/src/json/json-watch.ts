import { isPlainObject } from '@postern/core';
import { type BodyFilter, type MaySee, maxHeldBytes, UnreadableAnswer } from '../filter/body-filter.ts';
import { atOpening, ContainerEnds } from './container-ends.ts';
import { byte, skipSpace } from './json-tokens.ts';
import { type JsonBytes, Members } from './members.ts';
import { readName } from './read-name.ts';

/** What a filter of a watch in JSON works with. */
export interface JsonWatchRules {
  readonly maySee: MaySee;
  /** Whether the rows of Tables lose their objects, which were asked for to know whose they are. */
  readonly dropsObjects: boolean;
}

interface WatchEvent {
  readonly type: string;
  readonly object: Record<string, unknown>;
}

const newline = Buffer.from('\n');

/**
 * Filters a JSON watch, one event on each line. Bookmarks and errors concern nobody's object and pass. Events about objects
 * the user may not see are dropped; what is kept is passed on byte for byte.
 */
export class JsonWatchFilter implements BodyFilter {
  readonly #rules: JsonWatchRules;
  #rest: Buffer[] = [];
  #restBytes = 0;
  /** Columns of a dropped Table event: only the first event of a watch has them, and the client needs them. */
  #columns: unknown;

  constructor(rules: JsonWatchRules) {
    this.#rules = rules;
  }

  push(chunk: Buffer): Buffer | undefined {
    const out: Buffer[] = [];
    let start = 0;
    for (let end = chunk.indexOf(byte.newline); end >= 0; end = chunk.indexOf(byte.newline, start)) {
      const kept = this.#event(this.#line(chunk.subarray(start, end)));
      if (kept) out.push(kept, newline);
      start = end + 1;
    }
    this.#keep(chunk.subarray(start));
    return out.length === 0 ? undefined : Buffer.concat(out);
  }

  end(): Buffer | undefined {
    // The API server ends every event with a newline; a last one without is incomplete.
    this.#rest = [];
    return undefined;
  }

  #keep(part: Buffer): void {
    if (part.length === 0) return;
    this.#rest.push(part);
    this.#restBytes += part.length;
    if (this.#restBytes > maxHeldBytes) throw UnreadableAnswer('an event in it is too large');
  }

  #line(end: Buffer): Buffer {
    if (this.#rest.length === 0) return end;
    const line = Buffer.concat([...this.#rest, end]);
    this.#rest = [];
    this.#restBytes = 0;
    return line;
  }

  #event(line: Buffer): Buffer | undefined {
    const start = skipSpace(line, 0);
    if (start === line.length) return undefined;
    const json = { bytes: line, ends: new ContainerEnds(line) };
    const { type, object } = readEvent(json, start);
    if (type === 'BOOKMARK' || type === 'ERROR') return line;
    if (isTable(json, object)) return this.#table(line);
    const name = readName(json, object);
    return typeof name !== 'string' && this.#rules.maySee(name.namespace, name.name) ? line : undefined;
  }

  #table(line: Buffer): Buffer | undefined {
    const event = parseEvent(line);
    const { rows } = event.object;
    if (!Array.isArray(rows)) throw UnreadableAnswer('a Table in it has no rows');
    const kept = rows.filter((row) => this.#maySeeRow(row));
    const columns = event.object['columnDefinitions'];
    const hasColumns = Array.isArray(columns) && columns.length > 0;
    if (kept.length === 0) {
      if (hasColumns) this.#columns = columns;
      return undefined;
    }
    const missing = hasColumns ? undefined : this.#columns;
    this.#columns = undefined;
    const { dropsObjects } = this.#rules;
    if (kept.length === rows.length && missing === undefined && !dropsObjects) return line;
    const object = {
      ...event.object,
      ...(missing === undefined ? {} : { columnDefinitions: missing }),
      rows: dropsObjects ? kept.map((row: object) => ({ ...row, object: null })) : kept,
    };
    return Buffer.from(JSON.stringify({ type: event.type, object }));
  }

  #maySeeRow(row: unknown): boolean {
    if (!isPlainObject(row) || !isPlainObject(row['object'])) return false;
    const { metadata } = row['object'];
    if (!isPlainObject(metadata)) return false;
    const { name, namespace } = metadata;
    return (
      typeof name === 'string' && this.#rules.maySee(typeof namespace === 'string' ? namespace : '', name)
    );
  }
}

function parseEvent(line: Buffer): WatchEvent {
  try {
    return JSON.parse(line.toString()) as WatchEvent;
  } catch (error) {
    throw UnreadableAnswer.from(error, 'an event in it is not valid JSON');
  }
}

/** The type of an event and where its object begins. A line is one event, with these two members and no others. */
function readEvent(json: JsonBytes, start: number): { readonly type: string; readonly object: number } {
  const { bytes, ends } = json;
  const end = bytes[start] === byte.openObject ? ends.find(start, atOpening) : -1;
  if (end < 0 || skipSpace(bytes, end) < bytes.length) throw UnreadableAnswer('an event in it is malformed');
  const members = new Members(json, start);
  let type: string | undefined;
  let object: number | undefined;
  for (let found = members.next(); found === 'member' && members.isWhole(); found = members.next()) {
    if (type === undefined && members.isKey('type')) type = members.text();
    else if (object === undefined && members.isKey('object')) object = members.value;
    else throw UnreadableAnswer('an event in it is malformed');
  }
  if (type === undefined || object === undefined || bytes[object] !== byte.openObject)
    throw UnreadableAnswer('an event in it is malformed');
  return { type, object };
}

/** Whether it is a Table of rows made by the API server, and not an object of some kind that is called so too. */
function isTable(json: JsonBytes, start: number): boolean {
  return (
    textMember(json, start, 'kind') === 'Table' &&
    textMember(json, start, 'apiVersion')?.startsWith('meta.k8s.io/') === true
  );
}

function textMember(json: JsonBytes, start: number, key: string): string | undefined {
  const members = new Members(json, start);
  while (members.next() === 'member') {
    const isFound = members.isKey(key);
    if (!members.isWhole()) return undefined;
    if (isFound) return members.text();
  }
  return undefined;
}
