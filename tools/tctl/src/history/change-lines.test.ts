import type { ResourceChange } from '@postern/client';
import { expect, test } from 'vitest';
import { changeLines } from './change-lines.ts';

const change: ResourceChange = {
  kind: 'role',
  name: 'dev',
  revision: 'r2',
  version: 2,
  change: 'updated',
  at: '2026-11-21T10:00:00.000Z',
  actor: 'spiffe://example.test/user/alice',
  user: 'alice',
  correlation: 'c1',
  fields: [{ path: ['spec', 'a'], before: 1, after: 2 }],
};

test('a change is told in a headline and details', () => {
  expect(changeLines(change)).toEqual([
    'role/dev updated by alice at 2026-11-21T10:00:00.000Z',
    '  revision r2',
    '  request  c1',
    '  ~ spec.a: 1 → 2',
  ]);
});

test('a restore names the revision that came back', () => {
  const [headline] = changeLines({ ...change, change: 'restored', restoredFrom: 'r1' });
  expect(headline).toBe('role/dev restored to r1 by alice at 2026-11-21T10:00:00.000Z');
});

test.each([
  ['spiffe://example.test/svc/1', 'the cluster'],
  ['', 'unknown'],
])('who acts without a user is named: %s', (actor, name) => {
  const [headline, ...details] = changeLines({
    ...change,
    change: 'expired',
    actor,
    user: '',
    correlation: '',
    fields: [],
  });
  expect(headline).toBe(`role/dev expired by ${name} at 2026-11-21T10:00:00.000Z`);
  expect(details).toEqual(['  revision r2']);
});

test('a name cannot begin a line of its own', () => {
  const [headline] = changeLines({ ...change, name: 'x\nrole/y deleted by root' });
  expect(headline).not.toContain('\n');
});
