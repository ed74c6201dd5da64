import { isIP } from 'node:net';

/**
 * DER as certificates need it (X.690 section 10): definite and minimal lengths. What is written here is made of values that were
 * checked before; whatever cannot be written as it is throws a RangeError.
 */
export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  sequence: 0x30,
  set: 0x31,
  utcTime: 0x17,
  generalizedTime: 0x18,
} as const;

/** One value: tag, length and what it holds. */
export function der(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const length = content.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([headerOf(tag, length), ...content]);
}

function headerOf(tag: number, length: number): Buffer {
  if (length < 0x80) return Buffer.from([tag, length]);
  if (length < 0x100) return Buffer.from([tag, 0x81, length]);
  if (length < 0x10000) return Buffer.from([tag, 0x82, length >> 8, length & 0xff]);
  throw new RangeError('a DER value of more than 64 KiB');
}

/** A positive integer from its big-endian bytes. */
export function integer(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  if (first === -1) return der(tags.integer, Buffer.of(0));
  const plain = bytes.subarray(first);
  return der(tags.integer, ...(plain[0]! >= 0x80 ? [Buffer.of(0)] : []), plain);
}

/** An object identifier from its dotted form. Its parts are below 2^28. */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return der(tags.oid, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(arc: number): number[] {
  const bytes = [arc & 0x7f];
  for (let left = arc >> 7; left > 0; left >>= 7) bytes.unshift((left & 0x7f) | 0x80);
  return bytes;
}

/** A time of validity, whole seconds: UTCTime up to 2049 and GeneralizedTime from then on (RFC 5280 4.1.2.5). */
export function validityTime(at: Date): Buffer {
  const digits = `${at.toISOString().slice(0, 19).replace(/\D/g, '')}Z`;
  if (digits.length !== 15) throw new RangeError('a time of another age');
  const isShort = at.getUTCFullYear() >= 1950 && at.getUTCFullYear() < 2050;
  return isShort
    ? der(tags.utcTime, Buffer.from(digits.slice(2), 'latin1'))
    : der(tags.generalizedTime, Buffer.from(digits, 'latin1'));
}

/** The bytes of a name that is printable ASCII. Anything else would be cut into another name. */
export function ascii(text: string): Buffer {
  if (!/^[\x20-\x7e]+$/.test(text)) throw new RangeError('a name that is not printable ASCII');
  return Buffer.from(text, 'latin1');
}

/** The bytes of an IP address: four or sixteen (RFC 5280 4.2.1.6). */
export function addressBytes(text: string): Buffer {
  const version = isIP(text);
  if (version === 4) return Buffer.from(text.split('.').map(Number));
  const url = version === 6 ? URL.parse(`http://[${text}]/`) : null;
  if (!url) throw new RangeError('an IP address that is none');
  const [head = '', tail] = url.hostname.slice(1, -1).split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':').map((group) => parseInt(group, 16)));
  const [before, after] = [groups(head), groups(tail ?? '')];
  const all = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}

/** PEM with lines of 64 characters (RFC 7468). */
export function pemOf(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
