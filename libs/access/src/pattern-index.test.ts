import { compilePattern } from '@postern/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PatternIndex } from './pattern-index.ts';

function indexOf(patterns: readonly string[]): PatternIndex<string> {
  const index = new PatternIndex<string>();
  for (const pattern of patterns) index.at(pattern, () => pattern);
  return index;
}

const matching = (index: PatternIndex<string>, text: string): string[] => {
  const found: string[] = [];
  index.some(text, (pattern) => {
    found.push(pattern);
    return false;
  });
  return found.toSorted();
};

describe('an index of patterns', () => {
  test.each([
    ['web-*', 'web-', true],
    ['web-*', 'web-1', true],
    ['web-*', 'web', false],
    ['web-*', 'my-web-1', false],
    ['*-db', 'a-db', true],
    ['*-db', 'a-db-1', false],
    ['web-*-1', 'web-x-1', true],
    ['web-*-1', 'web-1', false],
    ['*', 'anything', true],
    ['**', 'anything', true],
    ['we?', 'web', false],
    ['we?', 'we?', true],
    ['', '', true],
    ['', 'x', false],
    ['dev*', 'dev-evil', true],
    ['dev', 'dev-evil', false],
    ['^dev$', 'dev-evil', false],
    ['^dev|prod$', 'dev-evil', false],
    ['^dev|prod$', 'prod', true],
    ['^webs?-1$', 'web-1', true],
    ['^ab{0,1}$', 'a', true],
    ['^ab*$', 'a', true],
    ['^(?i)WEB$', 'web', true],
    ['^web$', 'WEB', false],
    ['^.*-db$', 'a-db', true],
  ])('reads %j on %j as the pattern language does (A-02)', (pattern, text, matches) => {
    expect(compilePattern(pattern)(text)).toBe(matches);
    expect(matching(indexOf([pattern]), text)).toEqual(matches ? [pattern] : []);
  });

  test('finds what trying every pattern finds (A-02)', () => {
    const part = fc.constantFrom('a', 'b', '-', 'ab', 'ba-');
    const text = fc.array(part, { maxLength: 5 }).map((parts) => parts.join(''));
    const glob = fc.array(fc.oneof(part, fc.constant('*')), { maxLength: 5 }).map((parts) => parts.join(''));
    const piece = fc.oneof(part, fc.constantFrom('a?', 'b*', '.', '[ab]', '(a|b-)', 'a|b', '-+', 'b{0,2}'));
    const regex = fc.array(piece, { maxLength: 5 }).map((parts) => `^${parts.join('')}$`);
    const patterns = fc.uniqueArray(fc.oneof(text, glob, regex), { maxLength: 12 });
    fc.assert(
      fc.property(patterns, text, (all, name) => {
        const wanted = all.filter((pattern) => compilePattern(pattern)(name)).toSorted();
        expect(matching(indexOf(all), name)).toEqual(wanted);
      }),
      { numRuns: 800 },
    );
  });

  test('tries no pattern that cannot fit, however many there are (A-03)', () => {
    const patterns = Array.from({ length: 10_000 }, (_, at) => `^n${at}-(a+)+$`);
    const index = indexOf(patterns);
    expect(index.isSlow).toBe(false);
    // All of them to run on this text would take seconds, and a backtracking engine would not end.
    expect(matching(index, `n77-${'a'.repeat(60)}!`)).toEqual([]);
    expect(matching(index, `n77-${'a'.repeat(60)}`)).toEqual(['^n77-(a+)+$']);
  });

  test('says when patterns can only be tried one by one', () => {
    expect(indexOf(['web-*', '*-db', 'x', '*', '^a.$']).isSlow).toBe(false);
    expect(indexOf(['^[ab]$']).isSlow).toBe(true);
  });

  test('makes the value of a pattern once', () => {
    const index = new PatternIndex<object>();
    for (const pattern of ['*', 'a', 'a*', '*a', '^[a]$']) {
      const made = index.at(pattern, () => ({}));
      expect(index.at(pattern, () => ({}))).toBe(made);
    }
  });
});
