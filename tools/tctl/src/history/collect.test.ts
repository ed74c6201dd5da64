import type { ResourceChange } from '@postern/client';
import { expect, test } from 'vitest';
import { collect, limitOf } from './collect.ts';

/** Changes by version, newest first, in pages of at most `most`. */
function pages(count: number, most: number) {
  const asked: string[] = [];
  const page = async ({ limit, before }: { limit: string; before?: string }) => {
    asked.push(limit);
    const from = before === undefined ? count : Number(before) - 1;
    const changes = Array.from({ length: Math.min(from, Number(limit), most) }, (_, n) => ({
      version: from - n,
    })) as ResourceChange[];
    const last = changes.at(-1)?.version ?? 1;
    return { changes, next: last > 1 ? String(last) : '' };
  };
  return { asked, page };
}

test('as many pages are read as it takes, and no more', async () => {
  const { asked, page } = pages(5000, 700);
  const { changes, hasMore } = await collect(1500, page);
  expect(changes.map(({ version }) => version)).toEqual(Array.from({ length: 1500 }, (_, n) => 5000 - n));
  expect(hasMore).toBe(true);
  expect(asked).toEqual(['1000', '800', '100']);
});

test('the end is the end', async () => {
  const { changes, hasMore } = await collect(100, pages(3, 1000).page);
  expect(changes).toHaveLength(3);
  expect(hasMore).toBe(false);
});

test.each(['0', '-1', 'x', '1.5', '100001', '', '1e3'])('a limit of %j is refused', (text) => {
  expect(() => limitOf(text)).toThrow('invalid limit');
});
