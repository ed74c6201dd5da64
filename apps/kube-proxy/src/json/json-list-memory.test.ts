import { describe, expect, test } from 'vitest';
import { listRules, pod } from '../filter/testing.ts';
import { JsonListFilter } from './json-list.ts';

describe('a filtered list', () => {
  test('needs memory for one item, however long it is (L-12)', () => {
    const filter = new JsonListFilter(listRules);
    filter.push(Buffer.from('{"items":['));
    const item = Buffer.from(`${JSON.stringify(pod('prod', 'x'.repeat(1000)))},`);
    const before = process.memoryUsage().arrayBuffers;
    for (let count = 0; count < 20_000; count += 1) filter.push(item);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
  });

  test('of four hundred megabytes is held nowhere (L-12)', () => {
    const filter = new JsonListFilter(listRules);
    filter.push(Buffer.from('{"items":['));
    const part = Buffer.from(
      `${JSON.stringify(pod('dev', 'web-1', { labels: { x: '"}]{'.repeat(4000) } }))},`,
    );
    const before = process.memoryUsage().rss;
    let passed = 0;
    while (passed < 400_000_000) passed += filter.push(part)?.length ?? 0;
    // The collector may lag behind; half of what passed is far from all of it.
    expect(process.memoryUsage().rss - before).toBeLessThan(200_000_000);
    const last = filter.push(Buffer.from(`${JSON.stringify(pod('dev', 'hidden'))}]}`));
    const rest = `${last?.toString() ?? ''}${filter.end()?.toString() ?? ''}`;
    expect(rest).not.toContain('hidden');
    expect(rest.endsWith(']}')).toBe(true);
  });

  test('passes an object on while it comes, however long it is (L-12)', () => {
    const filter = new JsonListFilter(listRules);
    filter.push(Buffer.from('{"items":[{"metadata":{"name":"web-1","namespace":"dev"},"data":["'));
    const part = Buffer.from('x'.repeat(16_384));
    let held = 0;
    for (let count = 0; count < 10_000; count += 1) {
      held += part.length - (filter.push(part)?.length ?? 0);
      if (held > 512 * 1024) expect.unreachable(`${held} bytes are held`);
    }
    const last = filter.push(Buffer.from('"]}]}'));
    expect((last ?? filter.end())?.toString().endsWith('"]}]}')).toBe(true);
  });

  test('holds no chunk for the sake of a small part that passes (L-12)', () => {
    const filter = new JsonListFilter(listRules);
    filter.push(Buffer.from('{"items":['));
    const before = process.memoryUsage().arrayBuffers;
    for (let count = 0; count < 20_000; count += 1) {
      const hidden = JSON.stringify(pod('prod', 'x'.repeat(16_000)));
      filter.push(Buffer.from(`${hidden},${JSON.stringify(pod('dev', 'web-1'))},`));
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
  });
});
