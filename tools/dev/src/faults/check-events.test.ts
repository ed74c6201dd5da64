import type { StoredEvent } from '@postern/contracts';
import { describe, expect, test } from 'vitest';
import { checkFacts, checkVersions, checkWrites } from './check-events.ts';
import { type Attempt, Ledger } from './ledger.ts';

function ledgerOf(...attempts: Partial<Attempt>[]): Ledger {
  const ledger = new Ledger();
  for (const attempt of attempts) {
    ledger.add({
      mark: 'l-1',
      kind: 'kube_cluster',
      name: 'c',
      verb: 'put',
      outcome: 'acknowledged',
      ...attempt,
    });
  }
  return ledger;
}

function upserted(mark: string, version: number): StoredEvent {
  const resource = { metadata: { labels: { mark } } };
  return event('ResourceUpserted', version, { resource });
}

function event(type: string, version: number, data: StoredEvent['data'] = {}): StoredEvent {
  return { id: `${type}.${version}`, stream: 'kube_cluster/c', version, type, v: 1, data, meta: {}, at: '' };
}

describe('what is written under load', () => {
  test('is complete when each acknowledged write is recorded once', () => {
    expect(checkWrites([upserted('l-1', 1)], ledgerOf({}), 'l')).toEqual([]);
  });

  test('is missing when an acknowledged write is not recorded', () => {
    expect(checkWrites([], ledgerOf({}), 'l')).toEqual(['acknowledged writes that are not recorded: l-1']);
  });

  test('may be missing when nobody knows whether it was written', () => {
    expect(checkWrites([], ledgerOf({ outcome: 'unknown' }), 'l')).toEqual([]);
  });

  test('is never recorded twice, whatever was answered', () => {
    const twice = [upserted('l-1', 1), upserted('l-1', 2)];
    expect(checkWrites(twice, ledgerOf({ outcome: 'unknown' }), 'l')).toEqual([
      'writes that are recorded more than once: l-1',
    ]);
  });

  test('is nothing that nobody sent', () => {
    expect(checkWrites([upserted('l-9', 1)], ledgerOf(), 'l')).toEqual([
      'events of writes that nobody sent: l-9',
    ]);
  });

  test('lies in the order of the acknowledgements', () => {
    const ledger = ledgerOf({ mark: 'l-1' }, { mark: 'l-2' });
    expect(checkWrites([upserted('l-2', 1), upserted('l-1', 2)], ledger, 'l')).toEqual([
      'acknowledged writes that are recorded out of order: l-2',
    ]);
  });

  test('has as many deletions as were acknowledged', () => {
    const ledger = ledgerOf({ verb: 'delete' });
    expect(checkWrites([event('ResourceDeleted', 1)], ledger, 'l')).toEqual([]);
    expect(checkWrites([], ledger, 'l')).toEqual([
      'resources with more or fewer deletions than were asked for: kube_cluster/c',
    ]);
  });

  test('has facts as well, each recorded once', () => {
    const ledger = ledgerOf({ kind: 'fact', mark: 'f' });
    const fact = event('KubeRequestAudited', 1, { requestId: 'f' });
    expect(checkFacts([fact], ledger)).toEqual([]);
    expect(checkFacts([], ledger)).toEqual(['acknowledged writes that are not recorded: f']);
    expect(checkFacts([fact, fact], ledger)).toEqual(['writes that are recorded more than once: f']);
  });

  test('has versions without gap and repetition', () => {
    expect(checkVersions('x', [event('A', 1), event('A', 2)])).toEqual([]);
    for (const versions of [[2], [1, 1], [1, 3], [2, 1]]) {
      expect(
        checkVersions(
          'x',
          versions.map((version) => event('A', version)),
        ),
      ).toHaveLength(1);
    }
  });

  test('comes with the longest silence between acknowledgements', () => {
    const ledger = new Ledger();
    expect(ledger.longestGapMs('facts')).toBe(0);
    ledger.attempts.push(
      ...[0, 40, 50].map((atMs) => ({ ...ledgerOf({ kind: 'fact' }).attempts[0]!, atMs })),
    );
    expect(ledger.longestGapMs('facts')).toBe(40);
  });
});
