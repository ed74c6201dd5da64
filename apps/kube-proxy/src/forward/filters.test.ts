import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BodyFilter } from './body-filter.ts';
import { ListFilter } from './filter-list.ts';
import { WatchFilter } from './filter-watch.ts';

const maySee = (namespace: string, name: string) => namespace === 'dev' && name.startsWith('web-');
const keep = (metadata: Record<string, unknown>) => metadata;
const withoutCount = (metadata: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(metadata).filter(([key]) => key !== 'remainingItemCount'));

function run(filter: BodyFilter, body: string | Buffer, cuts: readonly number[] = []): string {
  const bytes = Buffer.from(body);
  const out: Buffer[] = [];
  const positions = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].toSorted(
    (a, b) => a - b,
  );
  for (const [index, position] of positions.slice(1).entries()) {
    const kept = filter.push(Buffer.from(bytes.subarray(positions[index], position)));
    if (kept) out.push(kept);
  }
  const rest = filter.end();
  return Buffer.concat(rest ? [...out, rest] : out).toString('utf8');
}

const pod = (namespace: string, name: string, extra: Record<string, unknown> = {}) => ({
  metadata: { name, namespace, ...extra },
  spec: { items: [{ metadata: { name: 'nested' } }] },
});
const list = (items: unknown[], extra: Record<string, unknown> = {}) => ({
  kind: 'PodList',
  apiVersion: 'v1',
  metadata: { resourceVersion: '7', ...extra },
  items,
});

describe('a filtered list', () => {
  test('holds what may be seen and nothing else', () => {
    const body = JSON.stringify(
      list([pod('dev', 'web-1'), pod('dev', 'hidden'), pod('prod', 'web-2'), pod('dev', 'web-3')]),
    );
    const answer = run(new ListFilter(maySee, keep), body);
    expect(JSON.parse(answer)).toEqual(list([pod('dev', 'web-1'), pod('dev', 'web-3')]));
    expect(answer).not.toContain('hidden');
  });

  test.each([0, 1, 2, 3])(
    'has an empty array rather than null when only %i hidden items were there',
    (count) => {
      const body = JSON.stringify(list(Array.from({ length: count }, () => pod('prod', 'x'))));
      expect(JSON.parse(run(new ListFilter(maySee, keep), body))).toEqual(list([]));
    },
  );

  test('keeps null items as they are', () => {
    expect(JSON.parse(run(new ListFilter(maySee, keep), '{"items":null,"kind":"X"}'))).toEqual({
      items: null,
      kind: 'X',
    });
  });

  test('loses the number of items that remain and keeps the rest of its metadata', () => {
    const body = JSON.stringify(list([], { continue: 'abc', remainingItemCount: 12 }));
    expect(JSON.parse(run(new ListFilter(maySee, withoutCount), body))).toEqual(
      list([], { continue: 'abc' }),
    );
  });

  test('finds its metadata also behind the items', () => {
    const body = `{"items":[${JSON.stringify(pod('dev', 'web-1'))}],"metadata":{"remainingItemCount":3},"kind":"PodList"}`;
    expect(JSON.parse(run(new ListFilter(maySee, withoutCount), body)).metadata).toEqual({});
  });

  test('is filtered by rows when it is a Table', () => {
    const row = (namespace: string, name: string) => ({
      cells: [name, { metadata: 'x' }],
      object: { kind: 'PartialObjectMetadata', metadata: { name, namespace } },
    });
    const table = (rows: unknown[]) => ({
      kind: 'Table',
      metadata: {},
      columnDefinitions: [{ name: 'Name' }],
      rows,
    });
    const body = JSON.stringify(table([row('dev', 'web-1'), row('dev', 'hidden'), row('dev', 'web-2')]));
    expect(JSON.parse(run(new ListFilter(maySee, keep), body))).toEqual(
      table([row('dev', 'web-1'), row('dev', 'web-2')]),
    );
  });

  test('drops Table rows without an object', () => {
    const body = JSON.stringify({
      kind: 'Table',
      rows: [{ cells: ['web-1'], object: null }, { cells: ['web-1'] }],
    });
    expect(JSON.parse(run(new ListFilter(() => true, keep), body)).rows).toEqual([]);
  });

  test('drops items without a readable name', () => {
    const items = [
      {},
      { metadata: null },
      { metadata: {} },
      { metadata: { name: 7, namespace: 'dev' } },
      { metadata: [{ name: 'web-1' }] },
      { name: 'web-1' },
    ];
    expect(JSON.parse(run(new ListFilter(() => true, keep), JSON.stringify(list(items)))).items).toEqual([]);
  });

  test('reads names with escapes as JSON does', () => {
    const body = String.raw`{"items":[{"metadata":{"\u006eame":"x","name":"web\u002d1","namespace":"dev"}},{"metadata":{"name":"hid\"den","namespace":"dev"}}]}`;
    expect(JSON.parse(run(new ListFilter(maySee, keep), body)).items).toHaveLength(1);
  });

  test('takes the name from the metadata of the object and of nothing in it', () => {
    const sly = {
      annotations: { metadata: '{"name":"web-1"}' },
      labels: { name: 'web-1' },
      metadata: { name: 'web-9' },
    };
    const body = JSON.stringify(
      list([
        {
          spec: { metadata: { name: 'web-1', namespace: 'dev' } },
          metadata: { ...sly, name: 'hidden', namespace: 'dev' },
        },
      ]),
    );
    expect(JSON.parse(run(new ListFilter(maySee, keep), body)).items).toEqual([]);
  });

  test('may be indented', () => {
    const body = JSON.stringify(list([pod('dev', 'web-1'), pod('prod', 'x'), pod('dev', 'web-2')]), null, 2);
    expect(JSON.parse(run(new ListFilter(maySee, keep), `${body}\n`))).toEqual(
      list([pod('dev', 'web-1'), pod('dev', 'web-2')]),
    );
  });

  test.each([
    '[',
    '"x"',
    '{"items":[1]}',
    '{"items":["a"]}',
    '{"items":[[]]}',
    '{"kind"',
    '{"a":1}x',
    '{a:1}',
    '\u0000',
  ])('%s is refused', (body) => {
    expect(() => run(new ListFilter(() => true, keep), body)).toThrow(/could not be filtered/);
  });

  test('that ends too early is an error at every place', () => {
    const body = JSON.stringify(list([pod('dev', 'web-1'), pod('dev', 'web-2')]));
    for (let length = 0; length < body.length; length += 1) {
      expect(() => run(new ListFilter(maySee, keep), body.slice(0, length))).toThrow(/ended too early/);
    }
  });

  test('is the same wherever its bytes are split', () => {
    const names = fc.constantFrom('web-1', 'web-ü', 'hidden', 'h"\\}]', 'web-\u2028');
    const items = fc.array(
      fc.record({ namespace: fc.constantFrom('dev', 'prod'), name: names, note: fc.string() }),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(items, fc.array(fc.nat(), { maxLength: 12 }), fc.boolean(), (objects, cuts, indented) => {
        const all = objects.map(({ namespace, name, note }) =>
          pod(namespace, name, { annotations: { note } }),
        );
        const body = JSON.stringify(list(all), null, indented ? 1 : undefined);
        const wanted = list(all.filter(({ metadata: { namespace, name } }) => maySee(namespace, name)));
        expect(JSON.parse(run(new ListFilter(maySee, keep), body, cuts))).toEqual(wanted);
      }),
      { numRuns: 2000 },
    );
  });

  test('is the same when every byte comes alone', () => {
    const body = JSON.stringify(list([pod('dev', 'web-1'), pod('prod', 'ü"\\'), pod('dev', 'web-2')]));
    const cuts = Array.from({ length: Buffer.byteLength(body) }, (_, index) => index);
    expect(run(new ListFilter(maySee, keep), body, cuts)).toBe(run(new ListFilter(maySee, keep), body));
  });

  test('needs memory for one item, however long it is', () => {
    const filter = new ListFilter(maySee, keep);
    filter.push(Buffer.from('{"items":['));
    const item = Buffer.from(`${JSON.stringify(pod('prod', 'x'.repeat(1000)))},`);
    const before = process.memoryUsage().arrayBuffers;
    for (let count = 0; count < 100_000; count += 1) filter.push(item);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
  });
});

describe('a filtered watch', () => {
  const event = (type: string, object: unknown) => `${JSON.stringify({ type, object })}\n`;

  test('holds events about what may be seen', () => {
    const body =
      event('ADDED', pod('dev', 'web-1')) +
      event('MODIFIED', pod('dev', 'hidden')) +
      event('DELETED', pod('dev', 'web-2'));
    expect(run(new WatchFilter(maySee), body)).toBe(
      event('ADDED', pod('dev', 'web-1')) + event('DELETED', pod('dev', 'web-2')),
    );
  });

  test('keeps bookmarks and errors', () => {
    const bookmark = event('BOOKMARK', {
      kind: 'Pod',
      metadata: { resourceVersion: '9', annotations: { 'k8s.io/initial-events-end': 'true' } },
    });
    const error = event('ERROR', { kind: 'Status', code: 410 });
    expect(run(new WatchFilter(() => false), bookmark + error)).toBe(bookmark + error);
  });

  test('drops objects without a readable name', () => {
    expect(
      run(new WatchFilter(() => true), event('ADDED', {}) + event('ADDED', { metadata: { name: 1 } })),
    ).toBe('');
  });

  test('filters the rows of a Table and keeps its columns for the first event that is left', () => {
    const row = (name: string) => ({ cells: [name], object: { metadata: { name, namespace: 'dev' } } });
    const table = (columnDefinitions: unknown, ...rows: unknown[]) => ({
      kind: 'Table',
      columnDefinitions,
      rows,
    });
    const body =
      event('ADDED', table([{ name: 'Name' }], row('hidden'))) +
      event('ADDED', table(null, row('web-1'))) +
      event('ADDED', table(null, row('web-2')));
    const answer = run(new WatchFilter(maySee), body)
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(answer.map(({ object }) => object.columnDefinitions)).toEqual([[{ name: 'Name' }], null]);
    expect(answer.map(({ object }) => object.rows[0].cells[0])).toEqual(['web-1', 'web-2']);
  });

  test.each(['nonsense\n', '{"type":"ADDED"}\n', '{"object":{}}\n', '[]\n'])('%j is refused', (body) => {
    expect(() => run(new WatchFilter(() => true), body)).toThrow(/could not be filtered/);
  });

  test('passes on no event that is incomplete', () => {
    expect(run(new WatchFilter(() => true), event('ADDED', pod('dev', 'web-1')).trimEnd())).toBe('');
  });

  test('is the same wherever its bytes are split', () => {
    const names = fc.array(fc.constantFrom('web-1', 'web-ü', 'hidden', 'web-"\\n'), { maxLength: 8 });
    fc.assert(
      fc.property(names, fc.array(fc.nat(), { maxLength: 12 }), (all, cuts) => {
        const body = all.map((name) => event('ADDED', pod('dev', name))).join('');
        expect(run(new WatchFilter(maySee), body, cuts)).toBe(run(new WatchFilter(maySee), body));
      }),
      { numRuns: 1000 },
    );
  });
});
