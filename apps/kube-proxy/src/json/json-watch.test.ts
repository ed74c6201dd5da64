import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { everywhere, filtered, maySee, pod } from '../filter/testing.ts';
import { JsonWatchFilter, type JsonWatchRules } from './json-watch.ts';

const run = (
  body: string | Buffer,
  cuts: readonly number[] = [],
  rules: Partial<JsonWatchRules> = {},
): string => filtered(new JsonWatchFilter({ maySee, dropsObjects: false, ...rules }), body, cuts).toString();

describe('a filtered watch', () => {
  const event = (type: string, object: unknown) => `${JSON.stringify({ type, object })}\n`;

  test('holds events about what may be seen (L-05, L-11)', () => {
    const body =
      event('ADDED', pod('dev', 'web-1')) +
      event('MODIFIED', pod('dev', 'hidden')) +
      event('DELETED', pod('dev', 'web-2'));
    expect(run(body)).toBe(event('ADDED', pod('dev', 'web-1')) + event('DELETED', pod('dev', 'web-2')));
  });

  test('keeps bookmarks, the end of an initial list, and errors (L-05, L-06)', () => {
    const bookmark = event('BOOKMARK', {
      kind: 'Pod',
      metadata: { resourceVersion: '9', annotations: { 'k8s.io/initial-events-end': 'true' } },
    });
    const error = event('ERROR', { kind: 'Status', code: 410 });
    expect(run(bookmark + error, [], { maySee: () => false })).toBe(bookmark + error);
  });

  test('drops objects without a readable name', () => {
    expect(
      run(event('ADDED', {}) + event('ADDED', { metadata: { name: 1 } }), [], { maySee: () => true }),
    ).toBe('');
  });

  test('filters the rows of a Table and keeps its columns for the first event that is left', () => {
    const row = (name: string) => ({ cells: [name], object: { metadata: { name, namespace: 'dev' } } });
    const table = (columnDefinitions: unknown, ...rows: unknown[]) => ({
      kind: 'Table',
      apiVersion: 'meta.k8s.io/v1',
      columnDefinitions,
      rows,
    });
    const body =
      event('ADDED', table([{ name: 'Name' }], row('hidden'))) +
      event('ADDED', table(null, row('web-1'))) +
      event('ADDED', table(null, row('web-2')));
    const answer = run(body)
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(answer.map(({ object }) => object.columnDefinitions)).toEqual([[{ name: 'Name' }], null]);
    expect(answer.map(({ object }) => object.rows[0].cells[0])).toEqual(['web-1', 'web-2']);
  });

  test('loses the objects of Tables whose reader wanted none (L-02)', () => {
    const row = { cells: ['web-1'], object: { metadata: { name: 'web-1', namespace: 'dev' } } };
    const table = { kind: 'Table', apiVersion: 'meta.k8s.io/v1', columnDefinitions: null, rows: [row] };
    const answer = run(event('ADDED', table), [], { dropsObjects: true });
    expect(answer).toBe(event('ADDED', { ...table, rows: [{ cells: ['web-1'], object: null }] }));
  });

  test('takes an object of a kind that is called Table for what it is (L-02)', () => {
    const rows = [{ object: { metadata: { name: 'web-1', namespace: 'dev' } } }];
    const object = {
      apiVersion: 'example.com/v1',
      kind: 'Table',
      metadata: { name: 'hidden', namespace: 'dev' },
      rows,
    };
    expect(run(event('ADDED', object))).toBe('');
  });

  test('shows two events of one segment, and one of two segments (L-05)', () => {
    const [first, second] = [event('ADDED', pod('dev', 'web-1')), event('ADDED', pod('dev', 'web-2'))];
    const body = first + event('ADDED', pod('dev', 'hidden')) + second;
    expect(run(body)).toBe(first + second);
    expect(run(body, everywhere(body))).toBe(first + second);
  });

  test.each([
    'nonsense\n',
    '{"type":"ADDED"}\n',
    '{"object":{}}\n',
    '{"type":"ADDED","object":null}\n',
    '[]\n',
    '{"type":"ADDED","object":{"metadata":{"name":"web-1"}}}{"type":"ADDED","object":{}}\n',
    '{"type":"ADDED","object":{"metadata":{"name":"web-1"}},"object":{}}\n',
    '{"type":"BOOKMARK","type":"ADDED","object":{}}\n',
    '{"type":"ADDED","object":{"metadata":{"name":"web-1"}},"more":{}}\n',
    '{"type":"ADDED","object":{"metadata":{"name":"web-1"}}\n}\n',
  ])('%j is refused (L-05)', (body) => {
    expect(() => run(body, [], { maySee: () => true })).toThrow(/could not be filtered/);
  });

  test('passes on no event that is incomplete (L-05)', () => {
    expect(run(event('ADDED', pod('dev', 'web-1')).trimEnd(), [], { maySee: () => true })).toBe('');
  });

  test('is the same wherever its bytes are split (L-05)', () => {
    const names = fc.array(fc.constantFrom('web-1', 'web-ü', 'hidden', 'web-"\\n'), { maxLength: 8 });
    fc.assert(
      fc.property(names, fc.array(fc.nat(), { maxLength: 12 }), (all, cuts) => {
        const body = all.map((name) => event('ADDED', pod('dev', name))).join('');
        expect(run(body, cuts)).toBe(run(body));
      }),
      { numRuns: 1000 },
    );
  });
});
