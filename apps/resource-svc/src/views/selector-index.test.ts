import { compileSelector } from '@postern/access';
import type { LabelPatterns, Selector } from '@postern/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SelectorIndex } from './selector-index.ts';

const key = fc.constantFrom('env', 'team', 'region');
const value = fc.constantFrom('prod', 'dev', 'eu', 'us');
const pattern = fc.oneof(value, fc.constantFrom('*', 'p*', '^(prod|eu)$'));
const labels = fc.dictionary(key, value);
const patterns: fc.Arbitrary<LabelPatterns> = fc.oneof(
  fc.dictionary(key, fc.array(pattern, { minLength: 1, maxLength: 2 })),
  fc.constant<LabelPatterns>({ '*': ['*'] }),
);
const item = fc.record({ labels: patterns });
const selector: fc.Arbitrary<Selector> = fc.record({
  kinds: fc.constantFrom<string[]>(['kube_cluster'], ['role'], ['kube_cluster', 'role']),
  any: fc.array(item, { maxLength: 3 }),
});

describe('the selector index', () => {
  test('finds what trying every selector finds', () => {
    fc.assert(
      fc.property(
        fc.array(selector, { maxLength: 12 }),
        fc.array(labels, { maxLength: 8 }),
        fc.nat(12),
        (selectors, all, gone) => {
          const index = new SelectorIndex();
          selectors.forEach((each, i) => index.add(`v${i}`, each));
          index.remove(`v${gone}`);
          for (const each of all) {
            const expected = selectors.flatMap((one, i) =>
              i !== gone && one.kinds.includes('role') && compileSelector(one)(each) ? [`v${i}`] : [],
            );
            expect([...index.matching('role', each)].toSorted()).toEqual(expected.toSorted());
          }
        },
      ),
    );
  });

  test('holds a view once however often it is added', () => {
    const index = new SelectorIndex();
    index.add('a', { kinds: ['role'], any: [{ labels: { env: ['prod'] } }] });
    index.add('a', { kinds: ['role'], any: [{ labels: { env: ['prod'] } }] });
    index.remove('a');
    expect(index.matching('role', { env: 'prod' }).size).toBe(0);
  });

  test('takes label keys for what they are', () => {
    const index = new SelectorIndex();
    index.add('a', { kinds: ['role'], any: [{ labels: { constructor: ['x'], __proto: ['*'] } }] });
    expect([...index.matching('role', { constructor: 'x', __proto: 'y' })]).toEqual(['a']);
    expect(index.matching('role', {}).size).toBe(0);
  });
});
