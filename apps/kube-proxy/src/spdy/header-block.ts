import { constants, inflateRawSync } from 'node:zlib';
import { dictionary, dictionaryId } from './dictionary.ts';
import { SpdyViolation } from './violation.ts';

/** Names in lower case. */
export type SpdyHeaders = ReadonlyMap<string, string>;

const windowBytes = 32_768;
const maxBlockBytes = 65_536;
const maxPairs = 64;
const zlibHeadBytes = 6;

/**
 * Reads the header blocks of one direction. They are one zlib stream that is flushed after each block, so each continues with
 * the last 32 kB of text before it as its dictionary; nothing is kept in native memory in between.
 */
export class HeaderBlockReader {
  #window = dictionary;
  #isFirst = true;

  /** Throws SpdyViolation, also when the text of a block is longer than any client's would be. */
  read(block: Buffer): SpdyHeaders {
    const text = this.#inflate(this.#isFirst ? withoutZlibHead(block) : block);
    this.#isFirst = false;
    this.#window = Buffer.concat([this.#window, text]).subarray(-windowBytes);
    return parsePairs(text);
  }

  #inflate(block: Buffer): Buffer {
    try {
      return inflateRawSync(block, {
        dictionary: this.#window,
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: maxBlockBytes,
      });
    } catch (error) {
      throw SpdyViolation.from(error, 'a header block cannot be inflated, or is too long');
    }
  }
}

function withoutZlibHead(block: Buffer): Buffer {
  const isZlib =
    block.length >= zlibHeadBytes && (block[0]! & 0x0f) === 8 && block.readUInt16BE(0) % 31 === 0;
  if (!isZlib || (block[1]! & 0x20) === 0 || block.readUInt32BE(2) !== dictionaryId)
    throw SpdyViolation('header blocks do not use the dictionary of SPDY/3');
  return block.subarray(zlibHeadBytes);
}

function parsePairs(text: Buffer): SpdyHeaders {
  const pairs = new Map<string, string>();
  const count = text.length < 4 ? -1 : text.readUInt32BE(0);
  if (count < 0 || count > maxPairs) throw SpdyViolation('a header block has too many headers, or none');
  let at = 4;
  const next = () => {
    const end = at + 4 + (at + 4 <= text.length ? text.readUInt32BE(at) : text.length);
    if (end > text.length) throw SpdyViolation('a header block is cut short');
    const value = text.toString('utf8', at + 4, end);
    at = end;
    return value;
  };
  for (let left = count; left > 0; left -= 1) {
    const name = next().toLowerCase();
    if (pairs.has(name)) throw SpdyViolation('a header is there twice');
    pairs.set(name, next());
  }
  return pairs;
}

const storedBlockBytes = 5;
const maxStoredBytes = 65_535;
/** An empty block, as a flush leaves it: Go gives out what it read when it sees one. */
const flush = Buffer.from([0, 0, 0, 0xff, 0xff]);

/**
 * Writes header blocks as zlib data that is stored and not compressed: ours are a few words long, and what is not compressed
 * with what an attacker chose tells nothing by its length.
 */
export class HeaderBlockWriter {
  #isFirst = true;

  write(headers: SpdyHeaders): Buffer {
    const text = encodePairs(headers);
    if (text.length > maxStoredBytes) throw new RangeError('a header block of ours is too long');
    const stored = Buffer.alloc(storedBlockBytes);
    stored.writeUInt16LE(text.length, 1);
    stored.writeUInt16LE(~text.length & 0xffff, 3);
    const head = this.#isFirst ? [zlibHead()] : [];
    this.#isFirst = false;
    return Buffer.concat([...head, stored, text, flush]);
  }
}

function zlibHead(): Buffer {
  const head = Buffer.from([0x78, 0x20, 0, 0, 0, 0]);
  head.writeUInt32BE(dictionaryId, 2);
  return head;
}

function encodePairs(headers: SpdyHeaders): Buffer {
  const texts = [...headers].flat().map((text) => Buffer.from(text));
  const parts = texts.flatMap((text) => [uint32(text.length), text]);
  return Buffer.concat([uint32(headers.size), ...parts]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
