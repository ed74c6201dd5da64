import { digestText, digestWith } from '@postern/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findMoment, type PolicyChange } from './policy-moment.ts';

const start = Date.parse('2026-05-01T00:00:00.000Z');
const minute = (count: number) => new Date(start + count * 60_000);

/** `role/a role/a -role/a`: changes of these in turn, one a minute; a minus deletes. */
function changesOf(text: string): PolicyChange[] {
  const versions = new Map<string, number>();
  return text.split(' ').map((word, index) => {
    const isPresent = !word.startsWith('-');
    const key = word.replace('-', '');
    const version = (versions.get(key) ?? 0) + 1;
    versions.set(key, version);
    const [kind = '', id = ''] = key.split('/');
    return { eventId: String(index), kind, id, version, isPresent, at: minute(index) };
  });
}

/** What an edge has that took these changes in, in this order: as a reader of the view computes it. */
function edgeAfter(changes: readonly PolicyChange[]) {
  const entries = new Map<string, PolicyChange>();
  for (const change of changes) entries.set(`${change.kind}/${change.id}`, change);
  const present = [...entries.values()].filter(({ isPresent }) => isPresent);
  const digest = present.reduce(
    (sum, { kind, id, version }) => digestWith(sum, { kind, id, rev: version }),
    0n,
  );
  return {
    revision: digestText(digest),
    versions: versionsOf((kind, id) => present.find((one) => one.kind === kind && one.id === id)),
  };
}

const keys = ['role/a', 'role/b', 'role/c', 'user/u', 'user/v'];

function versionsOf(current: (kind: string, id: string) => PolicyChange | undefined) {
  return keys.map((key) => {
    const [kind = '', id = ''] = key.split('/');
    return current(kind, id)?.version ?? 0;
  });
}

describe('the policy of a moment', () => {
  const changes = changesOf('role/a user/u role/a role/b -role/b role/c');

  test('is found by its digest, whatever the clock of the edge said', async () => {
    const { revision } = edgeAfter(changes.slice(0, 3));
    const moment = await findMoment(changes, { revision, at: minute(600) });
    expect(moment).toMatchObject({ revision, isExact: true });
    expect(moment.current('role', 'a')?.version).toBe(2);
    expect(moment.current('role', 'c')).toBeUndefined();
  });

  test('of an edge that knew of no locks is found by the roles and users alone', async () => {
    const withLocks = changesOf('role/a lock/l user/u -lock/l role/a lock/m role/b');
    const unlocked = withLocks.filter(({ kind }) => kind !== 'lock');
    const moment = await findMoment(withLocks, {
      revision: edgeAfter(unlocked.slice(0, 3)).revision,
      at: minute(5),
    });
    expect(moment.isExact).toBe(true);
    expect(moment.current('role', 'a')?.version).toBe(2);
    expect(moment.all('lock')).toEqual([]);
  });

  test('has the locks that were there', async () => {
    const withLocks = changesOf('role/a lock/l user/u lock/m -lock/l role/b');
    const moment = await findMoment(withLocks, {
      revision: edgeAfter(withLocks.slice(0, 4)).revision,
      at: minute(5),
    });
    expect(moment.isExact).toBe(true);
    expect(moment.all('lock').map(({ id }) => id)).toEqual(['l', 'm']);
  });

  test('that was there twice, before and after something that was undone, is told as the one nearest before the time', async () => {
    const { revision } = edgeAfter(changes.slice(0, 3));
    expect(edgeAfter(changes.slice(0, 5)).revision).toBe(revision);
    expect(await findMoment(changes, { revision, at: minute(2.5) })).toMatchObject({
      since: minute(2),
      until: minute(3),
    });
    expect(await findMoment(changes, { revision, at: minute(4.5) })).toMatchObject({
      since: minute(4),
      until: minute(5),
    });
  });

  test('of now is what there is now', async () => {
    const moment = await findMoment(changes, {});
    expect(moment).toMatchObject({ revision: edgeAfter(changes).revision, isExact: true, until: undefined });
  });

  test('by time alone is what was recorded until then', async () => {
    const moment = await findMoment(changes, { at: minute(3.5) });
    expect(versionsOf(moment.current)).toEqual([2, 1, 0, 1, 0]);
  });

  test('with a digest that never was is the nearest by time, and says that it is not the one', async () => {
    const moment = await findMoment(changes, { revision: '00000000deadbeef', at: minute(3.5) });
    expect(moment).toMatchObject({ isExact: false, since: minute(3), until: minute(4) });
  });

  test('before anything was is empty', async () => {
    expect(await findMoment(changes, { revision: digestText(0n), at: minute(9) })).toMatchObject({
      isExact: true,
      since: undefined,
    });
    expect(await findMoment([], {})).toMatchObject({ revision: digestText(0n), isExact: true });
  });

  const history = fc
    .array(fc.tuple(fc.constantFrom(...keys), fc.boolean()), { minLength: 1, maxLength: 40 })
    .map((steps) => changesOf(steps.map(([key, isDeletion]) => (isDeletion ? '-' : '') + key).join(' ')));

  test('is the same as an edge had at any place of any history', async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.nat(40), async (recorded, count) => {
        const edge = edgeAfter(recorded.slice(0, count));
        const moment = await findMoment(recorded, { revision: edge.revision, at: minute(count) });
        expect(moment.isExact).toBe(true);
        expect(moment.revision).toBe(edge.revision);
        expect(versionsOf(moment.current)).toEqual(edge.versions);
      }),
      { numRuns: 2000 },
    );
  });

  test('is found also where the edge had not yet heard of one or two of the changes', async () => {
    await fc.assert(
      fc.asyncProperty(history, fc.nat(40), fc.nat(10), fc.nat(10), async (recorded, count, one, two) => {
        const taken = recorded.slice(0, count);
        const late = new Set([taken.length - 1 - one, taken.length - 1 - two]);
        // Of one role or user the edge takes no later change before an earlier one.
        const isHeldBack = (change: PolicyChange) =>
          taken.some(
            (other, index) =>
              late.has(index) &&
              other.kind === change.kind &&
              other.id === change.id &&
              other.version <= change.version,
          );
        const edge = edgeAfter(taken.filter((change) => !isHeldBack(change)));
        const moment = await findMoment(recorded, { revision: edge.revision, at: minute(count) });
        expect(moment).toMatchObject({ isExact: true, revision: edge.revision });
        expect(versionsOf(moment.current)).toEqual(edge.versions);
      }),
      { numRuns: 2000 },
    );
  });

  test('is found among a hundred thousand changes while a person waits', async () => {
    const many = changesOf(Array.from({ length: 100_000 }, (_, at) => `role/r${at % 1000}`).join(' '));
    const { revision } = edgeAfter(many.slice(0, 60_000));
    const begun = performance.now();
    expect((await findMoment(many, { revision, at: minute(60_000) })).isExact).toBe(true);
    expect((await findMoment(many, { revision: '00000000deadbeef', at: minute(60_000) })).isExact).toBe(
      false,
    );
    expect(performance.now() - begun).toBeLessThan(5000);
  });
});
