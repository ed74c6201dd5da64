import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { everywhere, filtered, listRules, maySee, pod } from '../filter/testing.ts';
import { JsonListFilter, type JsonListRules } from './json-list.ts';

const run = (
  body: string | Buffer,
  cuts: readonly number[] = [],
  rules: Partial<JsonListRules> = {},
): string => filtered(new JsonListFilter({ ...listRules, ...rules }), body, cuts).toString();

const list = (items: unknown[], extra: Record<string, unknown> = {}) => ({
  kind: 'PodList',
  apiVersion: 'v1',
  metadata: { resourceVersion: '7', ...extra },
  items,
});

describe('a filtered list', () => {
  test('holds what may be seen and nothing else (L-01, L-11)', () => {
    const body = JSON.stringify(
      list([pod('dev', 'web-1'), pod('dev', 'hidden'), pod('prod', 'web-2'), pod('dev', 'web-3')]),
    );
    const answer = run(body);
    expect(JSON.parse(answer)).toEqual(list([pod('dev', 'web-1'), pod('dev', 'web-3')]));
    expect(answer).not.toContain('hidden');
  });

  test.each([0, 1, 2, 3])(
    'has an empty array rather than null when only %i hidden items were there',
    (count) => {
      const body = JSON.stringify(list(Array.from({ length: count }, () => pod('prod', 'x'))));
      expect(JSON.parse(run(body))).toEqual(list([]));
    },
  );

  test('keeps null items as they are', () => {
    expect(JSON.parse(run('{"items":null,"kind":"X"}'))).toEqual({
      items: null,
      kind: 'X',
    });
  });

  test('loses the number of items that remain, and its token for the next page is sealed (L-04)', () => {
    const body = JSON.stringify(list([], { continue: 'abc', remainingItemCount: 12 }));
    expect(JSON.parse(run(body))).toEqual(list([], { continue: 'sealed(abc)' }));
  });

  test('has no member that clients do not know (L-01)', () => {
    const object = {
      kind: 'Pod',
      apiVersion: 'v1',
      metadata: { name: 'hidden', uid: 'u' },
      spec: { a: [1] },
      x: 1,
    };
    expect(JSON.parse(run(JSON.stringify(object)))).toEqual({ kind: 'Pod', apiVersion: 'v1', metadata: {} });
    const more = { ...list([pod('dev', 'web-1')]), hint: 'hidden', count: 7, last: { name: 'hidden' } };
    expect(JSON.parse(run(JSON.stringify(more)))).toEqual(list([pod('dev', 'web-1')]));
  });

  test('finds its metadata also behind the items', () => {
    const body = `{"items":[${JSON.stringify(pod('dev', 'web-1'))}],"metadata":{"remainingItemCount":3},"kind":"PodList"}`;
    expect(JSON.parse(run(body)).metadata).toEqual({});
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
    expect(JSON.parse(run(body))).toEqual(table([row('dev', 'web-1'), row('dev', 'web-2')]));
  });

  test('loses the objects of a Table whose reader wanted none (L-02)', () => {
    const row = (name: string) => ({
      cells: [name, 1],
      object: { metadata: { name, namespace: 'dev' } },
      conditions: [],
    });
    const body = JSON.stringify({
      kind: 'Table',
      rows: [row('web-1'), row('hidden'), row('web-2'), { cells: ['web-3'] }],
    });
    const bare = (name: string) => ({ cells: [name, 1], object: null, conditions: [] });
    for (const cuts of [[], everywhere(body)]) {
      expect(JSON.parse(run(body, cuts, { dropsObjects: true })).rows).toEqual([
        bare('web-1'),
        bare('web-2'),
      ]);
    }
  });

  test('drops Table rows without an object (L-02)', () => {
    const body = JSON.stringify({
      kind: 'Table',
      rows: [{ cells: ['web-1'], object: null }, { cells: ['web-1'] }],
    });
    expect(JSON.parse(run(body, [], { maySee: () => true })).rows).toEqual([]);
  });

  test('drops items without a readable name (L-01)', () => {
    const items = [
      {},
      { metadata: null },
      { metadata: {} },
      { metadata: { name: 7, namespace: 'dev' } },
      { metadata: [{ name: 'web-1' }] },
      { name: 'web-1' },
    ];
    expect(JSON.parse(run(JSON.stringify(list(items)), [], { maySee: () => true })).items).toEqual([]);
  });

  test('reads names with escapes as JSON does', () => {
    const body = String.raw`{"items":[{"metadat\u0061":{"\u006eame":"web\u002d1","n\u0061mespace":"dev"}},{"metadata":{"name":"hid\"den","namespace":"dev"}}]}`;
    expect(JSON.parse(run(body)).items).toHaveLength(1);
  });

  test('takes the name from the metadata of the object and of nothing in it (L-10)', () => {
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
    expect(JSON.parse(run(body)).items).toEqual([]);
  });

  test('may be indented', () => {
    const body = JSON.stringify(list([pod('dev', 'web-1'), pod('prod', 'x'), pod('dev', 'web-2')]), null, 2);
    expect(JSON.parse(run(`${body}\n`))).toEqual(list([pod('dev', 'web-1'), pod('dev', 'web-2')]));
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
    expect(() => run(body, [], { maySee: () => true })).toThrow(/could not be filtered/);
  });

  test('that ends too early is an error at every place (L-12)', () => {
    const body = JSON.stringify(list([pod('dev', 'web-1'), pod('dev', 'web-2')]));
    for (let length = 0; length < body.length; length += 1) {
      expect(() => run(body.slice(0, length))).toThrow(/ended too early/);
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
        expect(JSON.parse(run(body, cuts))).toEqual(wanted);
      }),
      { numRuns: 800 },
    );
  });

  test('is the same when every byte comes alone (L-12)', () => {
    const body = JSON.stringify(list([pod('dev', 'web-1'), pod('prod', 'ü"\\'), pod('dev', 'web-2')]));
    expect(run(body, everywhere(body))).toBe(run(body));
  });

  test('finds a name behind a long annotation in small parts', () => {
    const extra = { annotations: { note: '{"name":"hidden"}'.repeat(20_000) } };
    const { name, namespace } = pod('dev', 'web-1').metadata;
    const body = JSON.stringify(
      list([{ apiVersion: 'x/v1', kind: 'Y', metadata: { ...extra, name, namespace } }]),
    );
    const cuts = Array.from({ length: 300 }, (_, index) => index * 1300);
    expect(run(body, cuts)).toBe(body);
  });

  test.each([
    ['ends what it does not begin', '{"items":[{"metadata":{"name":"web-1","namespace":"dev"}}}]}'],
    ['goes on behind its end', '{"items":[]}{"items":[]}'],
    [
      'nests too deeply',
      `{"items":[{"metadata":{"name":"web-1","namespace":"dev"},"a":${'['.repeat(20_000)}`,
    ],
    ['lists no array', '{"items":{"metadata":{"name":"web-1","namespace":"dev"}}}'],
  ])('that %s is refused, after as much as it was right (L-12)', (_, body) => {
    expect(() => run(body)).toThrow(/could not be filtered/);
  });

  test('is what a slow reading of it gives, whatever is in it (L-01, L-07)', () => {
    const name = fc.constantFrom('web-1', 'web-2', 'hidden', 'web-ü"\\', undefined, 7, null);
    const namespace = fc.constantFrom('dev', 'prod', '', undefined, null);
    const metadata = fc.record({ labels: fc.jsonValue(), name, namespace }, { requiredKeys: [] });
    const other = fc.jsonValue({ maxDepth: 3 });
    const item = fc.record(
      {
        kind: other,
        metadata: fc.oneof({ weight: 6, arbitrary: metadata }, { weight: 1, arbitrary: other }),
        spec: other,
      },
      { requiredKeys: [] },
    );
    const row = fc.record({ cells: other, object: fc.oneof(item, other) }, { requiredKeys: [] });
    const answer = fc.oneof(
      fc.record({ kind: fc.constant('PodList'), items: fc.array(item, { maxLength: 6 }) }),
      fc.record({ kind: fc.constant('Table'), rows: fc.array(row, { maxLength: 6 }) }),
    );
    const cuts = fc.array(fc.nat(), { maxLength: 10 });
    fc.assert(
      fc.property(answer, cuts, fc.constantFrom(undefined, 1), (value, at, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(JSON.parse(run(text, at))).toEqual(slowly(JSON.parse(text)));
      }),
      { numRuns: 800 },
    );
  });
});

/** The reference: reads all, then filters. */
function slowly(answer: Record<string, unknown>): Record<string, unknown> {
  const isSeen = (object: unknown) => {
    const { name, namespace } = (object as { metadata?: Record<string, unknown> } | null)?.metadata ?? {};
    const isWhole =
      typeof name === 'string' &&
      (namespace === undefined || namespace === null || typeof namespace === 'string');
    return isWhole && maySee(typeof namespace === 'string' ? namespace : '', name);
  };
  const { items, rows } = answer as { items?: unknown[]; rows?: { object?: unknown }[] };
  return {
    ...answer,
    ...(items ? { items: items.filter(isSeen) } : {}),
    ...(rows ? { rows: rows.filter((row) => isSeen(row.object)) } : {}),
  };
}
