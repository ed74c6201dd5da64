import { describe, expect, test } from 'vitest';
import { bytesFieldOf } from '../protobuf/protobuf-fields.ts';
import { inEnvelope, protobufListMeta } from '../protobuf/testing.ts';
import { answerFilter } from './answer-filter.ts';
import { filtered, listRules } from './testing.ts';

const rules = { ...listRules, isWatch: false };
const protobuf = 'application/vnd.kubernetes.protobuf';

describe('the filter for an answer', () => {
  test.each<[string, Record<string, string>]>([
    ['in YAML', { 'content-type': 'application/yaml' }],
    ['in CBOR', { 'content-type': 'application/cbor' }],
    ['of no type', {}],
    ['of a type that begins like one', { 'content-type': 'application/jsonp' }],
    ['that is compressed (L-03)', { 'content-type': 'application/json', 'content-encoding': 'gzip' }],
    [
      'that is compressed twice (L-03)',
      { 'content-type': 'application/json', 'content-encoding': 'gzip, gzip' },
    ],
  ])('is refused for one %s (L-01)', (_, headers) => {
    expect(() => answerFilter(200, headers, rules)).toThrow(/could not be filtered/);
  });

  test.each([
    ['application/json', '{"items":[]}'],
    ['Application/JSON; charset=utf-8', '{"items":[]}'],
  ])('is there for %s (L-01)', (type, body) => {
    expect(filtered(answerFilter(200, { 'content-type': type }, rules)!, body).toString()).toBe(body);
  });

  test.each([401, 403, 404, 429, 500, 503])(
    'is absent for a %i, which is about no hidden object',
    (status) => {
      expect(answerFilter(status, { 'content-type': 'text/plain' }, rules)).toBeUndefined();
    },
  );

  test('takes the token out of the answer that a page is gone (L-04)', () => {
    const status = { kind: 'Status', metadata: { continue: 'dev/hidden', remainingItemCount: 3 }, code: 410 };
    const answer = filtered(
      answerFilter(410, { 'content-type': 'application/json' }, rules)!,
      JSON.stringify(status),
    );
    expect(JSON.parse(answer.toString())).toEqual({ kind: 'Status', metadata: {}, code: 410 });
  });

  test('takes it out of the same answer in protobuf (L-04)', () => {
    const rest = Buffer.concat([bytesFieldOf(2, Buffer.from('Failure')), Buffer.from([0x30, 0x9a, 0x03])]);
    const status = inEnvelope('Status', Buffer.concat([protobufListMeta('dev/hidden', 3), rest]));
    const answer = filtered(answerFilter(410, { 'content-type': protobuf }, rules)!, status);
    // The two empty fields behind the object are left out as well.
    expect(answer.equals(inEnvelope('Status', rest).subarray(0, -4))).toBe(true);
  });

  test('bounds the answer that a page is gone (L-04)', () => {
    const filter = answerFilter(410, { 'content-type': 'application/json' }, rules)!;
    expect(() => filtered(filter, 'x'.repeat(70_000))).toThrow(/too large/);
  });
});
