import { createHash, randomBytes } from 'node:crypto';

/**
 * A UUID version 7 (RFC 9562 section 5.7): 48 bits of Unix milliseconds, then random bits. Sorts by time of making.
 */
export function uuidv7(now: number = Date.now()): string {
  const bytes = pooledRandom16();
  bytes.writeUIntBE(now, 0, 6);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return formatUuid(bytes);
}

// One call for random bytes costs microseconds however few they are, and ids are made for every request.
const poolBytes = 4096;
let pool = Buffer.alloc(0);

function pooledRandom16(): Buffer {
  if (pool.length < 16) pool = randomBytes(poolBytes);
  const bytes = pool.subarray(0, 16);
  pool = pool.subarray(16);
  return bytes;
}

/**
 * The UUID version 8 (RFC 9562 section 5.8) that always belongs to these parts. A command that is retried derives the same
 * event ids again, which is how the store knows the retry.
 */
export function derivedUuid(...parts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:${part};`);
  const bytes = hash.digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return formatUuid(bytes);
}

/** Whether the text is a UUID in its canonical lower-case form. */
export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(text);
}

/** Random bytes as lower-case hex; 16 bytes are 128 bits of secret. */
export function randomHex(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}

/** The SHA-256 of a text as lower-case hex. */
export function sha256Hex(text: string | Uint8Array): string {
  return createHash('sha256').update(text).digest('hex');
}

const hexDigits = Buffer.from('0123456789abcdef');
const uuidText = Buffer.alloc(36, '-');

/** In one piece and not out of parts: V8 would put them together only later, each time that somebody reads the text as a whole. */
function formatUuid(bytes: Uint8Array): string {
  let at = 0;
  for (let index = 0; index < 16; index += 1) {
    if (index === 4 || index === 6 || index === 8 || index === 10) at += 1;
    const byte = bytes[index]!;
    uuidText[at] = hexDigits[byte >> 4]!;
    uuidText[at + 1] = hexDigits[byte & 15]!;
    at += 2;
  }
  return uuidText.toString('latin1');
}
