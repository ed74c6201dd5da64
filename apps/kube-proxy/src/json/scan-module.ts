/**
 * The machine code behind `container-ends.ts`: a WebAssembly module of one function, written down instruction by instruction
 * because the fastest loop over bytes in JavaScript takes four times as long, and lists are long.
 *
 * `scan(at, to, state)` looks at 64 bytes at a time, each step for all of them at once: which bytes are quotes, backslashes,
 * opening and closing brackets (a bit for each byte); which quotes are escaped; what is inside of strings (bits between two
 * quotes, by exclusive or over all bits before); how far brackets nest. Only where the container may end within the 64 bytes
 * are brackets counted one by one. `to - at` is a multiple of 64.
 *
 * Instructions and encoding: WebAssembly Core Specification 2.0, chapter 5. How escapes and strings are found by bits: Langdale
 * and Lemire, Parsing gigabytes of JSON per second (2019), sections 3.1.1 and 3.1.2.
 */

/** Instructions and numbers, grouped to be read; only their order means something. */
type Code = number | readonly Code[];

const i32 = 0x7f;
const i64 = 0x7e;
const v128 = 0x7b;

/** Parameters and variables of the function, by their numbers. */
const at = 0;
const to = 1;
const state = 2;
const depth = 3;
const bytes = [4, 5, 6, 7] as const;
const quotes = 8;
const backslashes = 9;
const opening = 10;
const closing = 11;
const isEscaped = 12;
const behindBackslash = 13;
const sum = 14;
const inString = 15;
const count = 16;

const op = {
  loop: [0x03, 0x40],
  block: [0x02, 0x40],
  if: [0x04, 0x40],
  else: [0x05],
  end: [0x0b],
  branch: (levels: number) => [0x0c, levels],
  branchIf: (levels: number) => [0x0d, levels],
  return: [0x0f],
  unreachable: [0x00],
  i32: {
    isZero: [0x45],
    isGreater: [0x4a],
    isAtLeastUnsigned: [0x4f],
    add: [0x6a],
    subtract: [0x6b],
    and: [0x71],
    or: [0x72],
    xor: [0x73],
    shiftLeft: [0x74],
    shiftRight: [0x75],
    shiftRightUnsigned: [0x76],
    of64: [0xa7],
  },
  i64: {
    isZero: [0x50],
    isLessUnsigned: [0x54],
    trailingZeros: [0x7a],
    ones: [0x7b],
    add: [0x7c],
    subtract: [0x7d],
    and: [0x83],
    or: [0x84],
    xor: [0x85],
    shiftLeft: [0x86],
    shiftRight: [0x87],
    shiftRightUnsigned: [0x88],
    ofSigned: [0xac],
    ofUnsigned: [0xad],
  },
  v128: {
    load: [0xfd, 0x00, 0],
    constant: [0xfd, 0x0c],
    equal: [0xfd, 0x23],
    or: [0xfd, 0x50],
    bits: [0xfd, 0x64],
  },
} as const;

const get = (variable: number): Code => [0x20, variable];
const set = (variable: number): Code => [0x21, variable];
const setAndKeep = (variable: number): Code => [0x22, variable];
const number32 = (value: number): Code => [0x41, signed(BigInt(value))];
const number64 = (value: bigint): Code => [0x42, signed(BigInt.asIntN(64, value))];
const not64: Code = [number64(-1n), op.i64.xor];
const everyByte = (value: number): Code => [op.v128.constant, Array.from({ length: 16 }, () => value)];

/** The module, ready to be compiled. Exports `memory` of two pages of 64 KiB, and `scan`. */
export function scanModule(): Uint8Array {
  const locals = [3, 1, i32, 4, v128, 9, i64];
  const body = bytesOf([locals, scan()]);
  return Uint8Array.from(
    bytesOf([
      [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(1, [0x60, 3, i32, i32, i32, 1, i32]),
      section(3, [0]),
      section(5, [0, 2]),
      section(7, [name('memory'), 2, 0], [name('scan'), 0, 0]),
      section(10, [unsigned(body.length), body]),
    ]),
  );
}

function scan(): Code {
  return [
    unpackState(),
    op.loop,
    [get(at), get(to), op.i32.isAtLeastUnsigned, op.if, returnState(), op.end],
    bytes.flatMap((part, index) => [get(at), op.v128.load, 16 * index, set(part)]),
    [whereIs(0x22), set(quotes), whereIs(0x5c), set(backslashes)],
    // With this bit set `[` reads as `{` and `]` as `}`, and nothing else does.
    bytes.flatMap((part) => [get(part), everyByte(0x20), op.v128.or, set(part)]),
    [whereIs(0x7b), set(opening), whereIs(0x7d), set(closing)],
    dropEscapedQuotes(),
    dropWhatIsInStrings(),
    countBrackets(),
    [get(at), number32(64), op.i32.add, set(at), op.branch(0)],
    op.end,
    op.unreachable,
    op.end,
  ];
}

/** `depth << 2 | in a string << 1 | next byte is escaped`, as in `container-ends.ts`. */
function unpackState(): Code {
  return [
    [get(state), number32(2), op.i32.shiftRightUnsigned, set(depth)],
    // All bits of `inString` are that one bit.
    [get(state), number32(30), op.i32.shiftLeft, number32(31), op.i32.shiftRight],
    [op.i64.ofSigned, set(inString)],
    [get(state), number32(1), op.i32.and, op.i64.ofUnsigned, set(isEscaped)],
  ];
}

/** The state with every bit turned over, so that it is negative and no position. */
function returnState(): Code {
  return [
    [get(depth), number32(2), op.i32.shiftLeft],
    [get(inString), op.i32.of64, number32(2), op.i32.and, op.i32.or],
    [get(isEscaped), op.i32.of64, op.i32.or],
    [number32(-1), op.i32.xor, op.return],
  ];
}

/** A bit for each of the 64 bytes that is this one. */
function whereIs(byte: number): Code {
  return bytes.flatMap((part, index) => [
    [get(part), everyByte(byte), op.v128.equal, op.v128.bits, op.i64.ofUnsigned],
    index === 0 ? [] : [number64(BigInt(16 * index)), op.i64.shiftLeft, op.i64.or],
  ]);
}

const evenBits = 0x5555555555555555n;

/**
 * A byte is escaped when an odd number of backslashes is right before it. Adding the first backslash of each row that begins
 * at an odd place to the row carries a bit to its end; whether that is at an even place tells how long the row is.
 */
function dropEscapedQuotes(): Code {
  return [
    [get(backslashes), get(isEscaped), op.i64.or, op.i64.isZero, op.i32.isZero, op.if],
    [get(backslashes), get(isEscaped), not64, op.i64.and, setAndKeep(backslashes)],
    [number64(1n), op.i64.shiftLeft, get(isEscaped), op.i64.or, set(behindBackslash)],
    [get(backslashes), number64(~evenBits), op.i64.and],
    [get(behindBackslash), not64, op.i64.and, get(backslashes), op.i64.add],
    [setAndKeep(sum), get(backslashes), op.i64.isLessUnsigned, op.i64.ofUnsigned],
    set(isEscaped),
    [get(sum), number64(1n), op.i64.shiftLeft, number64(evenBits), op.i64.xor],
    [get(behindBackslash), op.i64.and, not64, get(quotes), op.i64.and, set(quotes)],
    op.end,
  ];
}

function dropWhatIsInStrings(): Code {
  return [
    [1n, 2n, 4n, 8n, 16n, 32n].flatMap((bits) => [
      [get(quotes), get(quotes), number64(bits), op.i64.shiftLeft, op.i64.xor, set(quotes)],
    ]),
    [get(quotes), get(inString), op.i64.xor, setAndKeep(quotes)],
    [number64(63n), op.i64.shiftRight, set(inString)],
    [get(quotes), not64, setAndKeep(quotes), get(opening), op.i64.and, set(opening)],
    [get(quotes), get(closing), op.i64.and, set(closing)],
  ];
}

function countBrackets(): Code {
  return [
    [get(closing), op.i64.ones, set(count)],
    [get(depth), get(count), op.i32.of64, op.i32.isGreater, op.if],
    [get(opening), op.i64.ones, get(count), op.i64.subtract, op.i32.of64],
    [get(depth), op.i32.add, set(depth)],
    op.else,
    countOneByOne(),
    op.end,
  ];
}

function countOneByOne(): Code {
  return [
    [get(opening), get(closing), op.i64.or, set(sum)],
    [op.block, op.loop],
    [get(sum), op.i64.isZero, op.branchIf(1)],
    [get(closing), get(sum), op.i64.trailingZeros, setAndKeep(count)],
    [op.i64.shiftRightUnsigned, op.i32.of64, number32(1), op.i32.and, op.if],
    [get(depth), number32(1), op.i32.subtract, setAndKeep(depth), op.i32.isZero, op.if],
    [get(at), get(count), op.i32.of64, op.i32.add, number32(1), op.i32.add, op.return],
    op.end,
    [op.else, get(depth), number32(1), op.i32.add, set(depth), op.end],
    [get(sum), get(sum), number64(1n), op.i64.subtract, op.i64.and, set(sum)],
    [op.branch(0), op.end, op.end],
  ];
}

function section(id: number, ...items: readonly Code[]): Code {
  const content = bytesOf([unsigned(items.length), items]);
  return [id, unsigned(content.length), content];
}

function name(text: string): Code {
  return [text.length, [...Buffer.from(text, 'latin1')]];
}

function bytesOf(code: Code): number[] {
  return typeof code === 'number' ? [code] : code.flatMap(bytesOf);
}

/** Numbers are written seven bits at a time, the lowest first (LEB128). */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: bigint): number[] {
  const low = Number(value & 0x7fn);
  const rest = value >> 7n;
  const isLast = rest === (low < 0x40 ? 0n : -1n);
  return isLast ? [low] : [low | 0x80, ...signed(rest)];
}
