import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { everywhere, filtered, listRules, maySee } from '../filter/testing.ts';
import { ProtobufListFilter } from './protobuf-list.ts';
import { bytesFieldOf, magic } from './protobuf-fields.ts';
import { inEnvelope, protobufList, protobufListMeta, protobufPod } from './testing.ts';

const run = (body: Buffer, cuts: readonly number[] = []) =>
  filtered(new ProtobufListFilter(listRules), body, cuts);

describe('a filtered list in protobuf', () => {
  test('holds what may be seen and nothing else (L-01)', () => {
    const [seen, also] = [protobufPod('dev', 'web-1'), protobufPod('dev', 'web-2', 'x'.repeat(100_000))];
    const body = protobufList([seen, protobufPod('dev', 'hidden'), protobufPod('prod', 'web-1'), also]);
    expect(run(body).equals(protobufList([seen, also]))).toBe(true);
  });

  test('may be empty', () => {
    expect(run(protobufList([])).equals(protobufList([]))).toBe(true);
    expect(run(protobufList([protobufPod('prod', 'x')])).equals(protobufList([]))).toBe(true);
    expect(run(inEnvelope('PodList', Buffer.alloc(0))).equals(inEnvelope('PodList', Buffer.alloc(0)))).toBe(
      true,
    );
  });

  test('that passes whole is the same byte for byte', () => {
    const body = protobufList(Array.from({ length: 300 }, (_, at) => protobufPod('dev', `web-${at}`)));
    expect(run(body).equals(body)).toBe(true);
    expect(run(body, everywhere(body)).equals(body)).toBe(true);
  });

  test('loses the number of items that remain, and its token for the next page is sealed (L-04)', () => {
    expect(run(protobufList([], 'abc', 12)).equals(protobufList([], 'sealed(abc)'))).toBe(true);
  });

  test('drops items without a readable name (L-01)', () => {
    const nameless = [
      Buffer.alloc(0),
      bytesFieldOf(2, Buffer.from('web-1')),
      bytesFieldOf(1, bytesFieldOf(3, Buffer.from('dev'))),
      Buffer.from([0x08, 1]),
    ];
    expect(run(protobufList(nameless)).equals(protobufList([]))).toBe(true);
  });

  test('has no field that clients do not know (L-01)', () => {
    const list = Buffer.concat([protobufListMeta(''), bytesFieldOf(3, Buffer.from('hidden'))]);
    expect(run(inEnvelope('PodList', list)).equals(protobufList([]))).toBe(true);
  });

  const ok = protobufPod('dev', 'web-1');
  const metadata = ok.subarray(0, 2 + ok[1]!);
  test.each<[string, Buffer]>([
    ['is something else', Buffer.from('{"kind":"PodList","items":[]}')],
    ['has a name twice', protobufList([Buffer.concat([ok, metadata])])],
    ['has two lists', Buffer.concat([protobufList([ok]), bytesFieldOf(2, Buffer.from('x'))])],
    ['is encoded once more', Buffer.concat([protobufList([ok]), bytesFieldOf(3, Buffer.from('gzip'))])],
    ['has an unknown envelope', Buffer.concat([magic, Buffer.from([0x08, 1])])],
    ['has an item longer than itself', inEnvelope('PodList', Buffer.from([0x12, 0x7f, 1]))],
    ['has a number that never ends', Buffer.concat([magic, Buffer.from([0x12]), Buffer.alloc(20, 0xff)])],
  ])('that %s is refused (L-12)', (_, body) => {
    expect(() => run(body)).toThrow(/could not be filtered/);
  });

  test('that ends too early is an error at every place (L-12)', () => {
    const body = protobufList([protobufPod('dev', 'web-1'), protobufPod('prod', 'web-2')]);
    // The last four bytes are two empty fields, which not every encoder writes.
    for (let length = 0; length < body.length - 4; length += 1) {
      expect(() => run(body.subarray(0, length))).toThrow(/ended too early/);
    }
  });

  test('is refused when more may be seen than is held, and not when more is hidden (L-12)', () => {
    const size = 1024 * 1024;
    const item = (name: string) => bytesFieldOf(2, protobufPod('dev', name, 'x'.repeat(size)));
    const head = Buffer.concat([magic, Buffer.from([0x12, 0x80, 0x80, 0x80, 0x80, 0x01])]);
    const hidden = new ProtobufListFilter(listRules);
    hidden.push(head);
    for (let count = 0; count < 50; count += 1) hidden.push(item('hidden'));
    const seen = new ProtobufListFilter(listRules);
    seen.push(head);
    expect(() => {
      for (let count = 0; count < 50; count += 1) seen.push(item('web-1'));
    }).toThrow(/too long for protobuf/);
  });

  test('is the same wherever its bytes are split, and what a slow reading gives (L-01)', () => {
    const item = fc.record({
      namespace: fc.constantFrom('dev', 'prod', ''),
      name: fc.constantFrom('web-1', 'web-ü', 'hidden'),
      spec: fc.string({ maxLength: 300 }),
    });
    fc.assert(
      fc.property(fc.array(item, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 12 }), (items, cuts) => {
        const encode = (some: typeof items) =>
          protobufList(some.map(({ namespace, name, spec }) => protobufPod(namespace, name, spec)));
        const wanted = encode(items.filter(({ namespace, name }) => maySee(namespace, name)));
        expect(run(encode(items), cuts).equals(wanted)).toBe(true);
      }),
      { numRuns: 800 },
    );
  });
});
