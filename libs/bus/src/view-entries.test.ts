import type { ViewEntry } from '@postern/contracts';
import { describe, expect, test } from 'vitest';
import { ViewEntries } from './view-entries.ts';

const put = (id: string, rev: number): ViewEntry => ({
  kind: 'role',
  id,
  rev,
  revision: `r${rev}`,
  resource: { kind: 'role', version: 'v7', metadata: { name: id }, spec: {} },
});
const gone = (id: string, rev: number): ViewEntry => ({ kind: 'role', id, rev, revision: '' });

function snapshot(view: ViewEntries, ...entries: ViewEntry[]) {
  view.begin();
  return [...view.page(entries), ...view.end()];
}

describe('the entries of a view', () => {
  test('come from a snapshot', () => {
    const view = new ViewEntries();
    expect(snapshot(view, put('a', 1), put('b', 2))).toEqual([
      { entry: put('a', 1), previous: undefined },
      { entry: put('b', 2), previous: undefined },
    ]);
    expect(view.entries('role')).toEqual([put('a', 1), put('b', 2)]);
    expect(view.get('role', 'b')).toEqual(put('b', 2));
    expect(view.entries('user')).toEqual([]);
  });

  test('that a later snapshot does not hold are gone', () => {
    const view = new ViewEntries();
    snapshot(view, put('a', 1), put('b', 2));
    expect(snapshot(view, put('b', 2))).toEqual([{ entry: gone('a', 1), previous: put('a', 1) }]);
    expect(view.entries('role')).toEqual([put('b', 2)]);
  });

  test('that came live during a snapshot survive its end', () => {
    const view = new ViewEntries();
    view.begin();
    view.live(put('new', 3));
    view.page([put('a', 1)]);
    expect(view.end()).toEqual([]);
    expect(view.entries('role')).toHaveLength(2);
  });

  test('that went live during a snapshot do not come back with it', () => {
    const view = new ViewEntries();
    snapshot(view, put('a', 1));
    view.begin();
    view.live(gone('a', 1));
    expect(view.page([put('a', 1)])).toEqual([]);
    view.end();
    expect(view.get('role', 'a')).toBeUndefined();
  });

  test('are newer in a snapshot than what came live before it was read', () => {
    const view = new ViewEntries();
    view.begin();
    view.live(put('a', 1));
    expect(view.page([put('a', 2)])).toEqual([{ entry: put('a', 2), previous: put('a', 1) }]);
  });

  test('keep a live revision against an older one, live or in a snapshot', () => {
    const view = new ViewEntries();
    view.live(put('a', 5));
    expect(view.live(put('a', 4))).toBeUndefined();
    expect(snapshot(view, put('a', 4))).toEqual([]);
    expect(view.get('role', 'a')).toEqual(put('a', 5));
  });

  test('come back with a higher revision after they went', () => {
    const view = new ViewEntries();
    view.live(put('a', 1));
    view.live(gone('a', 2));
    expect(view.live(put('a', 1))).toBeUndefined();
    expect(view.live(put('a', 3))).toEqual({ entry: put('a', 3), previous: undefined });
  });

  test('that are repeated are no change', () => {
    const view = new ViewEntries();
    view.live(put('a', 1));
    expect(view.live(put('a', 1))).toBeUndefined();
    expect(view.live(gone('b', 1))).toBeUndefined();
  });

  test('that are sealed anew are no change, and are there', () => {
    const view = new ViewEntries();
    view.live({ ...put('a', 1), sealed: 'by the first key' });
    expect(view.live({ ...put('a', 1), sealed: 'by the second key' })).toBeUndefined();
    expect(view.get('role', 'a')?.sealed).toBe('by the second key');
    expect(snapshot(view, { ...put('a', 1), sealed: 'by the third key' })).toEqual([]);
    expect(view.get('role', 'a')?.sealed).toBe('by the third key');
  });

  test('are named by a digest that does not depend on the way they came', () => {
    const one = new ViewEntries();
    const other = new ViewEntries();
    snapshot(one, put('a', 1), put('b', 2));
    other.live(put('c', 1));
    other.live(put('b', 2));
    other.live(put('a', 1));
    expect(other.digest).not.toBe(one.digest);
    other.live(gone('c', 2));
    expect(other.digest).toBe(one.digest);
    snapshot(one);
    expect(one.digest).toBe(new ViewEntries().digest);
  });
});
