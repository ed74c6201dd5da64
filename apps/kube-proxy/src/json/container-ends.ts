import { byte } from './json-tokens.ts';
import { scanModule } from './scan-module.ts';

/**
 * Where a scan stands inside an object or array: `depth << 2 | in a string << 1 | next byte is escaped`. Zero is before its
 * opening bracket.
 */
export type ScanState = number;

export const atOpening: ScanState = 0;

/** How deeply the brackets nest where a scan stands. */
export function depthOf(state: ScanState): number {
  return state >>> 2;
}

/** As much of the WebAssembly JavaScript interface as this takes. */
interface Runtime {
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
}

interface Scanner {
  readonly memory: { readonly buffer: ArrayBuffer };
  /** The position behind the end of the container, or the state at `to`, turned over. */
  scan(at: number, to: number, state: ScanState): number;
}

const windowBytes = 64 * 1024;
const blockBytes = 64;

const { Module, Instance } = (globalThis as unknown as { readonly WebAssembly: Runtime }).WebAssembly;
const { memory, scan } = new Instance(new Module(scanModule())).exports as Scanner;
const window = Buffer.from(memory.buffer, 0, windowBytes);
/** How often the window was filled, which tells whether somebody else did since. */
let fillings = 0;

/**
 * Finds where objects and arrays end in bytes that an encoder wrote as JSON, two gigabytes a second. It counts brackets that
 * are not in strings, and checks nothing else.
 */
export class ContainerEnds {
  readonly #bytes: Buffer;
  /** The part of the bytes that was put into the window. */
  #filling = 0;
  #from = 0;
  #to = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /**
   * The position behind the container that a scan is in, or the state at the end of the bytes, turned over (`~state`, which is
   * negative). A container may begin in one chunk of bytes and end in another: its scan goes on at 0 with that state.
   */
  find(from: number, state: ScanState): number {
    const { length } = this.#bytes;
    let at = from;
    let now = state;
    while (length - at >= blockBytes) {
      const end = this.#findInWindow(at, now);
      if (end >= 0) return end;
      now = ~end;
      at += Math.floor((this.#to - at) / blockBytes) * blockBytes;
    }
    return findByBytes(this.#bytes, at, now);
  }

  #findInWindow(at: number, state: ScanState): number {
    const isThere = this.#filling === fillings && this.#from <= at && this.#to - at >= blockBytes;
    if (!isThere) this.#load(at);
    const start = at - this.#from;
    const blocks = Math.floor((this.#to - at) / blockBytes);
    const end = scan(start, start + blocks * blockBytes, state);
    return end < 0 ? end : end + this.#from;
  }

  #load(from: number): void {
    fillings += 1;
    this.#filling = fillings;
    this.#from = from;
    this.#to = Math.min(from + windowBytes, this.#bytes.length);
    this.#bytes.copy(window, 0, from, this.#to);
  }
}

/** The same byte by byte: for what is shorter than a block, and to test the other against. */
export function findByBytes(bytes: Buffer, from: number, state: ScanState): number {
  let depth = depthOf(state);
  let isInString = (state & 2) !== 0;
  let isEscaped = (state & 1) !== 0;
  for (let at = from; at < bytes.length; at += 1) {
    const code = bytes[at]!;
    const wasEscaped = isEscaped;
    isEscaped = code === byte.backslash && !wasEscaped;
    if (code === byte.quote) isInString = isInString === wasEscaped;
    else if (!isInString) {
      if (code === byte.openObject || code === byte.openArray) depth += 1;
      else if ((code === byte.closeObject || code === byte.closeArray) && --depth === 0) return at + 1;
    }
  }
  return ~((depth << 2) | (Number(isInString) << 1) | Number(isEscaped));
}
