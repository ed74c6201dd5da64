import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { deflateRawSync } from 'node:zlib';
import type { ResourceFilter } from '@postern/access';
import { describe, expect, test } from 'vitest';
import { isSameFilter, ReceivedFilters, sentFilter } from './sent-filter.ts';

const filterOf = (...names: string[]): ResourceFilter => ({
  v: 1,
  apiGroup: '',
  resource: 'pods',
  allow: [{ namespace: 'dev', names }],
  deny: [],
});
const digestOf = (body: Buffer) => createHash('sha256').update(body).digest('base64url');
const read = (body: Buffer, digest = digestOf(body), filters = new ReceivedFilters()) =>
  filters.read(Readable.from([body.subarray(0, 10), body.subarray(10)]), digest);

describe('a filter beside its grant', () => {
  test('is the same at the other end, with ten thousand rules too', async () => {
    const many = Array.from({ length: 10_000 }, () => `${randomBytes(10).toString('hex')}-*`);
    for (const filter of [filterOf('a'), filterOf(...many)]) {
      const { body, digest } = sentFilter(filter);
      expect(await read(body, digest)).toEqual(filter);
    }
  });

  test('is read once, whoever sends it', async () => {
    const filters = new ReceivedFilters();
    const { body, digest } = sentFilter(filterOf('a'));
    const first = await read(body, digest, filters);
    expect(await read(body, digest, filters)).toBe(first);
  });

  test('is forgotten when there are too many', async () => {
    const filters = new ReceivedFilters();
    const [oldest, ...others] = Array.from({ length: 20 }, (_, at) =>
      sentFilter(filterOf(`${at}${'x'.repeat(2_000_000)}`)),
    );
    const first = await read(oldest!.body, oldest!.digest, filters);
    for (const { body, digest } of others) await read(body, digest, filters);
    expect(await read(oldest!.body, oldest!.digest, filters)).not.toBe(first);
  });

  test.each<[string, Buffer, string?]>([
    ['another one', sentFilter(filterOf('a')).body, sentFilter(filterOf('b')).digest],
    ['nothing', Buffer.alloc(0), sentFilter(filterOf('a')).digest],
    ['no filter', deflateRawSync('{}')],
    ['not compressed', Buffer.from(JSON.stringify(filterOf('a')))],
    ['too long', randomBytes(5_000_000)],
    ['too long once it is inflated', deflateRawSync(Buffer.alloc(20_000_000, 0x20))],
  ])('that is %s is refused', async (_, body, digest) => {
    await expect(read(body, digest)).rejects.toThrow(
      expect.objectContaining({ code: 'kube.filter_missing' }),
    );
  });

  test('is the same as one that says the same (X-07)', () => {
    expect(isSameFilter(filterOf('a'), filterOf('a'))).toBe(true);
    expect(isSameFilter(filterOf('a'), filterOf('b'))).toBe(false);
    expect(isSameFilter(filterOf('a'), undefined)).toBe(false);
    expect(isSameFilter(undefined, undefined)).toBe(true);
  });
});
