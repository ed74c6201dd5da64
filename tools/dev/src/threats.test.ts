import { describe, expect, test } from 'vitest';
import { coveredThreats, threatsIn } from './threats/covered-threats.ts';
import { notApplicable, threats } from './threats/register.ts';

describe('threats', () => {
  const covered = coveredThreats();
  const excused = Object.keys(notApplicable);

  test('are each a named test, or do not apply for a reason', () => {
    const open = Object.keys(threats).filter((id) => !covered.has(id) && !excused.includes(id));
    expect(open).toEqual([]);
  });

  test('that are tested are not excused as well', () => {
    expect(excused.filter((id) => covered.has(id))).toEqual([]);
  });

  test('that are excused are known and say why', () => {
    expect(excused.filter((id) => !Object.hasOwn(threats, id))).toEqual([]);
    for (const reason of Object.values(notApplicable)) expect(reason.length).toBeGreaterThan(30);
  });
});

test('ids are read from titles and not from comments', () => {
  const source = [
    `test('keeps out (H-01, H-02)', () => undefined);`,
    `  // covers (H-03)`,
    '  [`a row (S-04)`, 1],',
    `  const x = H-05;`,
  ].join('\n');
  expect(threatsIn(source)).toEqual(['H-01', 'H-02', 'S-04']);
});
