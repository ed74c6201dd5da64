import { UnreadableAnswer } from '../filter/body-filter.ts';
import type { ContainerEnds } from './container-ends.ts';
import { endOfString, endOfValue, isText, textOf } from './json-bytes.ts';
import { byte, skipSpace } from './json-tokens.ts';

/** Bytes of JSON, and where containers in them end. */
export interface JsonBytes {
  readonly bytes: Buffer;
  readonly ends: ContainerEnds;
}

/** Goes through the members of an object, as far as its bytes are there. */
export class Members {
  readonly #json: JsonBytes;
  #next: number;
  #keyEnd = 0;
  /** Where the key of the current member and its value begin. */
  key = 0;
  value = 0;
  /** Behind the value, once `isWhole` has said that it is there. */
  end = 0;

  /** Of the object whose opening bracket is at `start`. */
  constructor(json: JsonBytes, start: number) {
    this.#json = json;
    this.#next = start + 1;
  }

  /** Goes to the next member. The value of the one before has to be whole. */
  next(): 'member' | 'end' | 'incomplete' {
    const { bytes } = this.#json;
    let at = skipSpace(bytes, this.#next);
    if (bytes[at] === byte.comma && this.end !== 0) at = skipSpace(bytes, at + 1);
    if (at >= bytes.length) return 'incomplete';
    if (bytes[at] === byte.closeObject) return 'end';
    if (bytes[at] !== byte.quote) throw UnreadableAnswer('it is not valid JSON');
    const keyEnd = endOfString(bytes, at);
    const colon = keyEnd < 0 ? bytes.length : skipSpace(bytes, keyEnd);
    if (colon < bytes.length && bytes[colon] !== byte.colon) throw UnreadableAnswer('it is not valid JSON');
    const value = skipSpace(bytes, colon + 1);
    if (value >= bytes.length) return 'incomplete';
    this.key = at;
    this.#keyEnd = keyEnd;
    this.value = value;
    return 'member';
  }

  /** Whether the value of the current member is there to its end. */
  isWhole(): boolean {
    const { bytes, ends } = this.#json;
    const end = endOfValue(bytes, this.value, ends);
    if (end < 0) return false;
    this.end = end;
    this.#next = end;
    return true;
  }

  isKey(text: string): boolean {
    return isText(this.#json.bytes, this.key, this.#keyEnd, text);
  }

  /** The value if it is a string, or undefined. */
  text(): string | undefined {
    const { bytes } = this.#json;
    return bytes[this.value] === byte.quote ? textOf(bytes, this.value, this.end) : undefined;
  }
}
