import { failure, failureKinds, type FailureKind, AppError } from '@postern/core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ProtocolBroken } from './failures.ts';
import { mostErrorBytes } from './frame.ts';
import { packAnswer, packOpen, readAnswer, readOpen, writePieces } from './head.ts';
import { readError, tellError } from './told-error.ts';

const text = fc.string({
  unit: fc
    .integer({ min: 0x20, max: 0xff })
    .filter((c) => c !== 0x7f)
    .map((c) => String.fromCharCode(c < 0xa0 && c > 0x7e ? 0x41 : c)),
  maxLength: 40,
});
const some = text.filter((value) => value !== '');
const headers = fc.array(fc.tuple(text, text), { maxLength: 20 }).map((pairs) => pairs.flat());

describe('a head', () => {
  test('comes out as it went in', () => {
    const heads = fc.record(
      { method: some, path: some, headers, upgrade: some, to: some },
      { requiredKeys: ['method', 'path', 'headers'] },
    );
    fc.assert(
      fc.property(heads, (head) => {
        const packed = packOpen(head);
        const payload = Buffer.alloc(packed.bytes);
        writePieces(packed, payload, 0);
        expect(readOpen(payload)).toEqual(head);
      }),
    );
  });

  test('of an answer comes out as it went in', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 999 }), headers, (status, headers) => {
        const packed = packAnswer({ status, headers });
        const payload = Buffer.alloc(packed.bytes + 2);
        payload.writeUInt16BE(status);
        writePieces(packed, payload, 2);
        expect(readAnswer(payload)).toEqual({ status, headers });
      }),
    );
    expect(() => packAnswer({ status: 99, headers: [] })).toThrow('status');
  });

  test('of any bytes is read, or refused as a breach of the protocol (S-16)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        for (const read of [readOpen, readAnswer, readError]) {
          try {
            read(Buffer.from(bytes));
          } catch (error) {
            expect(ProtocolBroken.is(error)).toBe(true);
          }
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('an error that is told', () => {
  test('keeps its kind, code and message, whatever its kind', () => {
    for (const kind of Object.keys(failureKinds) as FailureKind[]) {
      const told = readError(tellError(new AppError(kind, 'kube.some_code', 'zu spät')));
      expect([told.kind, told.code, told.message]).toEqual([kind, 'kube.some_code', 'zu spät']);
    }
  });

  test('is bounded, and its text steers no terminal', () => {
    const Loud = failure('internal', 'kube.loud', (message: string) => message);
    const payload = tellError(Loud('\u001b[31m\n\u202eä'.repeat(1000)));
    expect(payload.length).toBeLessThan(mostErrorBytes);
    expect(readError(payload).message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  test('never carries its cause', () => {
    const Hidden = failure('internal', 'kube.hidden', () => 'sorry');
    const payload = tellError(Hidden.from(new Error('password=hunter2')));
    expect(payload.toString()).not.toContain('hunter2');
  });
});
