import { isPlainObject } from '@postern/core';
import { type BodyFilter, type MaySee, UnreadableAnswer } from './body-filter.ts';
import { byte } from './json-bytes.ts';

const maxEventBytes = 32 * 1024 * 1024;
const newline = Buffer.from('\n');

/**
 * Filters a JSON watch, one event on each line. Bookmarks and errors concern nobody's object and pass. Events about objects
 * the user may not see are dropped; what is kept is passed on byte for byte.
 */
export class WatchFilter implements BodyFilter {
  readonly #maySee: MaySee;
  #rest: Buffer[] = [];
  #restBytes = 0;
  /** Columns of a dropped Table event: only the first event of a watch has them, and the client needs them. */
  #columns: unknown;

  constructor(maySee: MaySee) {
    this.#maySee = maySee;
  }

  push(chunk: Buffer): Buffer | undefined {
    const out: Buffer[] = [];
    let start = 0;
    for (let end = chunk.indexOf(byte.newline); end >= 0; end = chunk.indexOf(byte.newline, start)) {
      const line = this.#line(chunk.subarray(start, end));
      const kept = this.#event(line);
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
    if (this.#restBytes > maxEventBytes) throw UnreadableAnswer('an event in it is too large');
  }

  #line(end: Buffer): Buffer {
    if (this.#rest.length === 0) return end;
    const line = Buffer.concat([...this.#rest, end]);
    this.#rest = [];
    this.#restBytes = 0;
    return line;
  }

  #event(line: Buffer): Buffer | undefined {
    if (line.length === 0) return undefined;
    const event = parseEvent(line);
    if (event.type === 'BOOKMARK' || event.type === 'ERROR') return line;
    const { object } = event;
    if (object['kind'] === 'Table' && Array.isArray(object['rows'])) return this.#table(line, event);
    return this.#maySeeObject(object) ? line : undefined;
  }

  #table(line: Buffer, event: WatchEvent): Buffer | undefined {
    const rows = event.object['rows'] as unknown[];
    const kept = rows.filter(
      (row) => isPlainObject(row) && isPlainObject(row['object']) && this.#maySeeObject(row['object']),
    );
    const columns = event.object['columnDefinitions'];
    const hasColumns = Array.isArray(columns) && columns.length > 0;
    if (kept.length === 0) {
      if (hasColumns) this.#columns = columns;
      return undefined;
    }
    const missing = hasColumns ? undefined : this.#columns;
    this.#columns = undefined;
    if (kept.length === rows.length && missing === undefined) return line;
    const object = {
      ...event.object,
      ...(missing === undefined ? {} : { columnDefinitions: missing }),
      rows: kept,
    };
    return Buffer.from(JSON.stringify({ type: event.type, object }));
  }

  #maySeeObject(object: Record<string, unknown>): boolean {
    const { metadata } = object;
    if (!isPlainObject(metadata)) return false;
    const { name, namespace } = metadata;
    return typeof name === 'string' && this.#maySee(typeof namespace === 'string' ? namespace : '', name);
  }
}

interface WatchEvent {
  readonly type: string;
  readonly object: Record<string, unknown>;
}

function parseEvent(line: Buffer): WatchEvent {
  const event = tryParse(line);
  if (!isPlainObject(event) || typeof event['type'] !== 'string' || !isPlainObject(event['object'])) {
    throw UnreadableAnswer('an event in it is malformed');
  }
  return { type: event['type'], object: event['object'] };
}

function tryParse(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString('utf8', 0, line.length));
  } catch (error) {
    throw UnreadableAnswer.from(error, 'an event in it is not valid JSON');
  }
}
