import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { atOpening, ContainerEnds, findByBytes } from './container-ends.ts';

/** Finds the end in chunks, as a stream brings them. */
function findInChunks(bytes: Buffer, cuts: readonly number[]): number {
  const positions = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].toSorted(
    (a, b) => a - b,
  );
  let state = atOpening;
  for (const [index, end] of positions.slice(1).entries()) {
    const start = positions[index]!;
    const found = new ContainerEnds(bytes.subarray(start, end)).find(0, state);
    if (found >= 0) return start + found;
    state = ~found;
  }
  return ~state;
}

describe('the end of a container', () => {
  test.each([
    ['{}', 2],
    ['[]', 2],
    ['{"a":{}}', 8],
    ['{"a":"}"}', 9],
    [String.raw`{"a":"\"}"}`, 11],
    [String.raw`{"a":"\\"}}`, 10],
    [`{"a":"${'x'.repeat(200)}}"}`, 209],
    [`[${'[],'.repeat(50)}{}]`, 154],
    [`{"a":"${'\\\\'.repeat(100)}"}`, 208],
    [`{"a":"${'\\"'.repeat(100)}"}`, 208],
  ])('of %j is found', (text, end) => {
    const bytes = Buffer.from(`${text}tail${'}'.repeat(100)}`);
    expect(new ContainerEnds(bytes).find(0, atOpening)).toBe(end);
    expect(findByBytes(bytes, 0, atOpening)).toBe(end);
  });

  test('is found a block at a time where it is found byte by byte, wherever the bytes are split (L-05, L-12)', () => {
    const piece = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom('{', '}', '[', ']', '"', '\\', '\\\\', '\\"', ',', ':', ' ') },
      { weight: 1, arbitrary: fc.string({ maxLength: 80 }) },
      {
        weight: 1,
        arbitrary: fc.constantFrom('\\'.repeat(63), '\\'.repeat(64), 'x'.repeat(64), '{'.repeat(70)),
      },
    );
    const text = fc.array(piece, { maxLength: 120 }).map((parts) => `{${parts.join('')}`);
    fc.assert(
      fc.property(text, fc.array(fc.nat(), { maxLength: 4 }), (json, cuts) => {
        const bytes = Buffer.from(json);
        const wanted = findByBytes(bytes, 0, atOpening);
        expect(new ContainerEnds(bytes).find(0, atOpening)).toBe(wanted);
        expect(findInChunks(bytes, cuts)).toBe(wanted);
      }),
      { numRuns: 800 },
    );
  });

  test('is found in bytes that are longer than the window', () => {
    const one = JSON.stringify({
      text: 'x}"{\\'.repeat(20_000),
      more: Array.from({ length: 5000 }, () => ({})),
    });
    const bytes = Buffer.from(`${one},${one}`);
    const ends = new ContainerEnds(bytes);
    expect(ends.find(0, atOpening)).toBe(one.length);
    expect(ends.find(one.length + 1, atOpening)).toBe(bytes.length);
    expect(ends.find(0, atOpening)).toBe(one.length);
  });
});
