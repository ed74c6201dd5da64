import { type BodyFilter, type ListRules, UnreadableAnswer } from '../filter/body-filter.ts';
import { Output } from '../filter/output.ts';
import { StepReader } from '../filter/step-reader.ts';
import { atOpening, ContainerEnds, depthOf, type ScanState } from './container-ends.ts';
import { endOfString, endOfValue, textOf } from './json-bytes.ts';
import { byte, skipSpace } from './json-tokens.ts';
import { listMetadata } from './list-metadata.ts';
import type { JsonBytes } from './members.ts';
import { findMember, readName } from './read-name.ts';

/** What a filter of a list in JSON works with. */
export interface JsonListRules extends ListRules {
  /** Whether the rows of a Table lose their objects, which were asked for to know whose they are. */
  readonly dropsObjects: boolean;
}

type Step = (json: JsonBytes, at: number) => number;

// Encoders of Go refuse to nest deeper.
const maxDepth = 10_000;

/**
 * Filters a list as it streams by: typed lists and PartialObjectMetadataList by `items`, Table by `rows`. Each element is
 * decided as soon as its name is read, and its bytes are then passed on or dropped, a few hundred kilobytes at a time; so memory
 * grows neither with the list nor with an object. Of the list's own members only those go on that every client knows.
 *
 * Each step reads from a position and returns the next one, or -1 when it needs more bytes; everything before the position is
 * done with.
 */
export class JsonListFilter implements BodyFilter {
  readonly #rules: JsonListRules;
  readonly #out = new Output();
  readonly #reader = new StepReader((bytes) => this.#read(bytes));
  #step: Step = this.#open;
  #isDone = false;
  #isFirstMember = true;
  #array: 'items' | 'rows' = 'items';
  #isFirst = true;
  /** The element or member that streams by: where its scan stands, and whether it is passed on. */
  #scan: ScanState = atOpening;
  #passes = false;
  #afterStream: Step = this.#member;

  constructor(rules: JsonListRules) {
    this.#rules = rules;
  }

  push(chunk: Buffer): Buffer | undefined {
    this.#reader.push(chunk);
    return this.#out.takeMuch(chunk.length);
  }

  end(): Buffer | undefined {
    this.#reader.flush();
    if (!this.#isDone) throw UnreadableAnswer('it ended too early');
    return this.#out.take();
  }

  #read(bytes: Buffer): number {
    const json = { bytes, ends: new ContainerEnds(bytes) };
    let at = 0;
    while (at < bytes.length) {
      const next = this.#step(json, at);
      if (next < 0) break;
      at = next;
    }
    return at;
  }

  #open({ bytes }: JsonBytes, from: number): number {
    const at = skipSpace(bytes, from);
    if (at === bytes.length) return at;
    if (bytes[at] !== byte.openObject) throw UnreadableAnswer('it is not a JSON object');
    this.#out.keep(bytes, at, at + 1);
    this.#step = this.#member;
    return at + 1;
  }

  /** Before a key, a comma, or the end of the list object. */
  #member({ bytes }: JsonBytes, from: number): number {
    const at = skipSpace(bytes, from);
    if (at === bytes.length || bytes[at] === byte.comma) return Math.min(at + 1, bytes.length);
    if (bytes[at] === byte.closeObject) {
      this.#out.keep(bytes, at, at + 1);
      this.#isDone = true;
      this.#step = this.#tail;
      return at + 1;
    }
    if (bytes[at] !== byte.quote) throw UnreadableAnswer('it is not valid JSON');
    const keyEnd = endOfString(bytes, at);
    if (keyEnd < 0) return -1;
    const colon = skipSpace(bytes, keyEnd);
    const value = skipSpace(bytes, colon + 1);
    if (value >= bytes.length) return -1;
    if (bytes[colon] !== byte.colon) throw UnreadableAnswer('it is not valid JSON');
    return this.#value(bytes, textOf(bytes, at, keyEnd), value);
  }

  #value(bytes: Buffer, key: string | undefined, start: number): number {
    const code = bytes[start];
    if (key === 'items' || key === 'rows') return this.#elements(bytes, key, start);
    if (key === 'metadata' && code === byte.openObject) this.#step = this.#metadata;
    else if ((key === 'kind' || key === 'apiVersion') && code === byte.quote) this.#step = this.#passed(key);
    else if (key === 'columnDefinitions') this.#step = this.#passed(key);
    else this.#step = this.#dropped;
    return start;
  }

  #elements(bytes: Buffer, key: 'items' | 'rows', start: number): number {
    if (bytes[start] !== byte.openArray) {
      this.#step = this.#null(key);
      return start;
    }
    this.#addKey(key);
    this.#out.keep(bytes, start, start + 1);
    this.#array = key;
    this.#isFirst = true;
    this.#step = this.#between;
    return start + 1;
  }

  /** Null stands for an empty array. */
  #null(key: string): Step {
    return (json, start) => {
      const end = endOfValue(json.bytes, start, json.ends);
      if (end < 0) return -1;
      if (json.bytes.toString('latin1', start, end) !== 'null')
        throw UnreadableAnswer('what it lists is not an array');
      return this.#passed(key)(json, start);
    };
  }

  #passed(key: string): Step {
    return ({ bytes, ends }, start) => {
      const end = endOfValue(bytes, start, ends);
      if (end < 0) return -1;
      this.#addKey(key);
      this.#out.keep(bytes, start, end);
      this.#step = this.#member;
      return end;
    };
  }

  #metadata({ bytes, ends }: JsonBytes, start: number): number {
    const end = endOfValue(bytes, start, ends);
    if (end < 0) return -1;
    this.#addKey('metadata');
    this.#out.add(listMetadata(bytes.subarray(start, end), this.#rules.sealContinue));
    this.#step = this.#member;
    return end;
  }

  #dropped({ bytes, ends }: JsonBytes, start: number): number {
    const code = bytes[start];
    if (code !== byte.openObject && code !== byte.openArray) {
      const end = endOfValue(bytes, start, ends);
      if (end >= 0) this.#step = this.#member;
      return end;
    }
    this.#stream(false, this.#member);
    return start;
  }

  #addKey(key: string): void {
    this.#out.add(Buffer.from(`${this.#isFirstMember ? '' : ','}"${key}":`));
    this.#isFirstMember = false;
  }

  /** Between elements of the array. */
  #between({ bytes }: JsonBytes, from: number): number {
    let at = skipSpace(bytes, from);
    if (bytes[at] === byte.comma) at = skipSpace(bytes, at + 1);
    if (at === bytes.length) return at;
    if (bytes[at] === byte.closeArray) {
      this.#out.keep(bytes, at, at + 1);
      this.#step = this.#member;
      return at + 1;
    }
    if (bytes[at] !== byte.openObject) throw UnreadableAnswer('an element of it is not an object');
    this.#step = this.#array === 'rows' && this.#rules.dropsObjects ? this.#rowWithoutObject : this.#element;
    return at;
  }

  /** An element without a readable name is nobody's to see. */
  #element(json: JsonBytes, start: number): number {
    const object = this.#array === 'rows' ? findMember(json, start, 'object') : start;
    const name = typeof object === 'number' ? this.#nameAt(json, object) : object;
    if (name === 'incomplete') return -1;
    const passes = name !== 'nameless' && this.#rules.maySee(name.namespace, name.name);
    if (passes) this.#separate(json.bytes, start);
    this.#stream(passes, this.#between);
    return start;
  }

  #nameAt(json: JsonBytes, object: number) {
    return json.bytes[object] === byte.openObject ? readName(json, object) : 'nameless';
  }

  #rowWithoutObject(json: JsonBytes, start: number): number {
    const { bytes, ends } = json;
    const end = endOfValue(bytes, start, ends);
    if (end < 0) return -1;
    this.#step = this.#between;
    const object = findMember(json, start, 'object');
    const name = typeof object === 'number' ? this.#nameAt(json, object) : 'nameless';
    if (typeof object !== 'number' || typeof name === 'string') return end;
    if (!this.#rules.maySee(name.namespace, name.name)) return end;
    this.#separate(bytes, start);
    this.#out.keep(bytes, start, object);
    this.#out.add(nullBytes);
    this.#out.keep(bytes, endOfValue(bytes, object, ends), end);
    return end;
  }

  /** The comma before an element that is passed on; the one that was there, where that saves copying. */
  #separate(bytes: Buffer, start: number): void {
    if (!this.#isFirst && bytes[start - 1] === byte.comma) this.#out.keep(bytes, start - 1, start);
    else if (!this.#isFirst) this.#out.add(commaBytes);
    this.#isFirst = false;
  }

  #stream(passes: boolean, after: Step): void {
    this.#scan = atOpening;
    this.#passes = passes;
    this.#afterStream = after;
    this.#step = this.#streamed;
  }

  #streamed({ bytes, ends }: JsonBytes, from: number): number {
    const found = ends.find(from, this.#scan);
    const end = found < 0 ? bytes.length : found;
    if (found < 0) this.#scan = ~found;
    else this.#step = this.#afterStream;
    if (depthOf(this.#scan) > maxDepth) throw UnreadableAnswer('an object in it nests too deeply');
    if (this.#passes) this.#out.keep(bytes, from, end);
    return end;
  }

  #tail({ bytes }: JsonBytes, from: number): number {
    const at = skipSpace(bytes, from);
    if (at < bytes.length) throw UnreadableAnswer('something follows the list');
    return at;
  }
}

const commaBytes = Buffer.from(',');
const nullBytes = Buffer.from('null');
