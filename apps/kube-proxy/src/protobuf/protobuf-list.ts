import { type BodyFilter, type ListRules, maxHeldBytes, UnreadableAnswer } from '../filter/body-filter.ts';
import { Output } from '../filter/output.ts';
import { StepReader } from '../filter/step-reader.ts';
import { textField, varint } from '../request/protobuf.ts';
import { bytesFieldOf, envelope, magic, maySeeObject, readable, tagAndLength } from './protobuf-fields.ts';

/** Fields of every list. */
const list = { metadata: 1, items: 2 } as const;
/** Fields of ListMeta. */
const listMeta = { selfLink: 1, resourceVersion: 2, continue: 3 } as const;

interface Field {
  readonly number: number;
  /** The value is between these positions. */
  readonly start: number;
  readonly end: number;
}

/**
 * Filters a list in protobuf. The envelope says before the list how long it is, so nothing can go out before the end is
 * known: what the user may see is held meanwhile, up to a bound. What is not known of envelope or list does not go on.
 */
export class ProtobufListFilter implements BodyFilter {
  readonly #rules: ListRules;
  readonly #reader = new StepReader((bytes) => this.#read(bytes));
  readonly #out = new Output();
  #isOpen = false;
  #typeMeta: Buffer | undefined;
  /** Bytes of the list that are still to come; undefined before it begins. */
  #listBytesLeft: number | undefined;
  #kept: Buffer[] = [];
  #keptBytes = 0;

  constructor(rules: ListRules) {
    this.#rules = rules;
  }

  push(chunk: Buffer): undefined {
    this.#reader.push(chunk);
    this.#keep();
  }

  end(): Buffer {
    const isCut = this.#reader.flush() > 0 || this.#listBytesLeft !== 0 || !this.#typeMeta;
    if (isCut) throw UnreadableAnswer('it ended too early');
    this.#keep();
    return Buffer.concat([
      magic,
      bytesFieldOf(envelope.typeMeta, this.#typeMeta!),
      tagAndLength(envelope.raw, this.#keptBytes),
      ...this.#kept,
      // Go's encoder writes these two also when they are empty.
      bytesFieldOf(envelope.contentEncoding, Buffer.alloc(0)),
      bytesFieldOf(envelope.contentType, Buffer.alloc(0)),
    ]);
  }

  /** Copies: a part of a chunk would keep all of it in memory. */
  #keep(): void {
    const part = this.#out.take();
    if (!part) return;
    this.#kept.push(Buffer.from(part));
    this.#keptBytes += part.length;
    if (this.#keptBytes > maxHeldBytes)
      throw UnreadableAnswer('it is too long for protobuf; ask for it in pages, or as JSON');
  }

  #read(bytes: Buffer): number {
    let at = 0;
    while (at < bytes.length) {
      const next = readable(() => this.#step(bytes, at));
      if (next < 0) break;
      at = next;
    }
    return at;
  }

  #step(bytes: Buffer, at: number): number {
    if (!this.#isOpen) return this.#open(bytes, at);
    return this.#listBytesLeft === undefined || this.#listBytesLeft === 0
      ? this.#envelopeField(bytes, at)
      : this.#listField(bytes, at);
  }

  #open(bytes: Buffer, at: number): number {
    if (bytes.length - at < magic.length) return -1;
    if (!bytes.subarray(at, at + magic.length).equals(magic))
      throw UnreadableAnswer('it is not Kubernetes protobuf');
    this.#isOpen = true;
    return at + magic.length;
  }

  #envelopeField(bytes: Buffer, at: number): number {
    const field = fieldAt(bytes, at);
    if (!field) return -1;
    const { number, start, end } = field;
    if (number === envelope.raw) return this.#beginList(start, end);
    if (end > bytes.length) return -1;
    if (number === envelope.typeMeta) this.#typeMeta = Buffer.from(bytes.subarray(start, end));
    else if (end > start) throw UnreadableAnswer('it is encoded once more');
    return end;
  }

  #beginList(start: number, end: number): number {
    if (this.#listBytesLeft !== undefined) throw UnreadableAnswer('it has two lists');
    this.#listBytesLeft = end - start;
    return start;
  }

  #listField(bytes: Buffer, at: number): number {
    const field = fieldAt(bytes, at);
    if (!field) return -1;
    const { number, start, end } = field;
    if (end - at > this.#listBytesLeft!) throw UnreadableAnswer('a field in it is longer than the list');
    if (end > bytes.length) return -1;
    this.#listBytesLeft! -= end - at;
    const value = bytes.subarray(start, end);
    if (number === list.metadata) this.#out.add(this.#metadata(value));
    else if (number === list.items && maySeeObject(value, this.#rules.maySee)) this.#out.keep(bytes, at, end);
    return end;
  }

  /** Written anew without the number of items that remain, which counts those the user may not see. */
  #metadata(value: Buffer): Buffer {
    const token = textField(value, listMeta.continue);
    const texts: readonly (readonly [number, string])[] = [
      [listMeta.selfLink, textField(value, listMeta.selfLink)],
      [listMeta.resourceVersion, textField(value, listMeta.resourceVersion)],
      [listMeta.continue, token === '' ? '' : this.#rules.sealContinue(token)],
    ];
    const fields = texts.map(([field, text]) => bytesFieldOf(field, Buffer.from(text)));
    return bytesFieldOf(list.metadata, Buffer.concat(fields));
  }
}

// Envelope and list have fields of this kind only, with numbers below 16.
const lengthDelimited = 2;
// A tag of one byte and a length of at most five.
const headBytes = 6;

/** The field at a position; undefined when its head is not there yet. Its value may not be. */
function fieldAt(bytes: Buffer, at: number): Field | undefined {
  const tag = bytes[at]!;
  if (tag >= 0x80 || tag % 8 !== lengthDelimited) throw UnreadableAnswer('it has an unknown field');
  const isCut = bytes.length - at < headBytes && bytes.subarray(at + 1).every((part) => part >= 0x80);
  if (isCut) return undefined;
  const { value, next } = varint(bytes, at + 1);
  return { number: Math.floor(tag / 8), start: next, end: next + value };
}
