import { compileSelector } from '@postern/access';
import { canonicalSelector, type Selector, selectorHash } from '@postern/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const pattern = fc.constantFrom('prod', 'Prod', 'p*', 'P*', '*', '^pr.d$', 'dev');
const labels = fc.dictionary(
  fc.constantFrom('env', 'team', '*'),
  fc.array(pattern, { minLength: 1, maxLength: 3 }),
  {
    maxKeys: 3,
  },
);
const selector = fc.record({
  kinds: fc.array(fc.constantFrom('kube_cluster', 'role'), { minLength: 1, maxLength: 3 }),
  any: fc.array(fc.record({ labels }), { maxLength: 3 }),
});
const resource = fc.dictionary(
  fc.constantFrom('env', 'team', '*'),
  fc.constantFrom('prod', 'Prod', 'dev', '*'),
);

/** The same selection, written otherwise. */
function shuffled({ kinds, any, ...rest }: Selector): Selector {
  const items = any.map((item) => ({
    labels: Object.fromEntries(
      Object.entries(item.labels)
        .toReversed()
        .map(([key, patterns]) => [key, patterns.toReversed()]),
    ),
  }));
  return { ...rest, kinds: [...kinds, ...kinds].toReversed(), any: [...items.toReversed(), ...items] };
}

describe('a canonical selector', () => {
  test('selects what the selector does', () => {
    fc.assert(
      fc.property(selector, resource, (given, of) => {
        expect(compileSelector(canonicalSelector(given))(of)).toBe(compileSelector(given)(of));
      }),
      { numRuns: 5000 },
    );
  });

  test('is the same however the selection was written, and canonical itself', () => {
    fc.assert(
      fc.property(selector, (given) => {
        expect(selectorHash(shuffled(given))).toBe(selectorHash(given));
        expect(canonicalSelector(canonicalSelector(given))).toEqual(canonicalSelector(given));
      }),
      { numRuns: 2000 },
    );
  });

  test('is the same where a pattern beside a star says nothing, and another where case differs', () => {
    const of = (...env: string[]): Selector => ({ kinds: ['kube_cluster'], any: [{ labels: { env } }] });
    expect(selectorHash(of('*', 'prod'))).toBe(selectorHash(of('*')));
    expect(selectorHash(of('prod*', 'prod*'))).toBe(selectorHash(of('prod*')));
    expect(selectorHash(of('Prod*'))).not.toBe(selectorHash(of('prod*')));
    expect(selectorHash({ ...of('prod'), secrets: true })).not.toBe(selectorHash(of('prod')));
  });
});
