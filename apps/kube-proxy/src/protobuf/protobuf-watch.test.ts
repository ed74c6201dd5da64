import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { everywhere, filtered, maySee } from '../filter/testing.ts';
import { ProtobufWatchFilter } from './protobuf-watch.ts';
import { inEnvelope, protobufEvent, protobufPod } from './testing.ts';

const run = (body: Buffer, cuts: readonly number[] = [], sees = maySee) =>
  filtered(new ProtobufWatchFilter(sees), body, cuts);

const about = (type: string, namespace: string, name: string) =>
  protobufEvent(type, inEnvelope('Pod', protobufPod(namespace, name)));

describe('a filtered watch in protobuf', () => {
  test('holds events about what may be seen, split anywhere (L-05)', () => {
    const [added, deleted] = [about('ADDED', 'dev', 'web-1'), about('DELETED', 'dev', 'web-2')];
    const body = Buffer.concat([
      added,
      about('MODIFIED', 'dev', 'hidden'),
      about('ADDED', 'prod', 'web-1'),
      deleted,
    ]);
    const wanted = Buffer.concat([added, deleted]);
    expect(run(body).equals(wanted)).toBe(true);
    expect(run(body, everywhere(body)).equals(wanted)).toBe(true);
  });

  test('keeps bookmarks and errors (L-05, L-06)', () => {
    const bookmark = protobufEvent('BOOKMARK', inEnvelope('Pod', protobufPod('', '')));
    const error = protobufEvent('ERROR', inEnvelope('Status', Buffer.from([0x30, 0x9a, 0x03])));
    const body = Buffer.concat([bookmark, error]);
    expect(run(body, [], () => false).equals(body)).toBe(true);
  });

  test('drops objects without a readable name (L-05)', () => {
    expect(run(protobufEvent('ADDED', inEnvelope('Pod', Buffer.alloc(0))), [], () => true)).toHaveLength(0);
  });

  test('passes on no event that is incomplete (L-05)', () => {
    const body = about('ADDED', 'dev', 'web-1');
    for (let length = 0; length < body.length; length += 1)
      expect(run(body.subarray(0, length))).toHaveLength(0);
  });

  test.each<[string, Buffer]>([
    ['without a type', protobufEvent('', inEnvelope('Pod', protobufPod('dev', 'web-1')))],
    ['whose object is JSON', protobufEvent('ADDED', Buffer.from('{"metadata":{"name":"web-1"}}'))],
    ['that is empty', Buffer.alloc(4)],
    ['that is too long', Buffer.from([0x7f, 0xff, 0xff, 0xff])],
  ])('with an event %s is refused (L-05)', (_, body) => {
    expect(() => run(body)).toThrow(/could not be filtered/);
  });

  test('is the same wherever its bytes are split (L-05)', () => {
    const names = fc.array(fc.constantFrom('web-1', 'web-2', 'hidden'), { maxLength: 8 });
    fc.assert(
      fc.property(names, fc.array(fc.nat(), { maxLength: 12 }), (all, cuts) => {
        const encode = (some: readonly string[]) =>
          Buffer.concat(some.map((name) => about('ADDED', 'dev', name)));
        expect(run(encode(all), cuts).equals(encode(all.filter((name) => maySee('dev', name))))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
