import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compilePattern, InvalidPattern, quoteRegex } from './pattern.ts';

describe('a pattern', () => {
  test.each([
    ['a text stands for itself', 'prod', 'prod', true],
    ['a text does not match a longer one', 'prod', 'prod-eu', false],
    ['a text does not match another letter case', 'prod', 'Prod', false],
    ['the empty text matches the empty text', '', '', true],
    ['the empty text matches nothing else', '', 'x', false],
    ['* matches everything', '*', 'anything', true],
    ['* matches the empty text', '*', '', true],
    ['** is no more than *', '**', 'x', true],
    ['web-* matches what follows', 'web-*', 'web-1', true],
    ['web-* matches nothing following', 'web-*', 'web-', true],
    ['web-* needs its hyphen', 'web-*', 'web', false],
    ['web-* is anchored at the start', 'web-*', 'my-web-1', false],
    ['dev* matches dev-evil, as it says', 'dev*', 'dev-evil', true],
    ['dev does not match dev-evil', 'dev', 'dev-evil', false],
    ['*-prod is anchored at the end', '*-prod', 'eu-prod-1', false],
    ['a*b*c matches in order', 'a*b*c', 'a1b2c', true],
    ['a*b*c refuses another order', 'a*b*c', 'a1c2b', false],
    ['a*a needs two of them', 'a*a', 'a', false],
    ['a*ba*a does not use a letter twice', 'a*ba*a', 'aba', false],
    ['? stands for itself', 'web-?', 'web-1', false],
    ['? matches a question mark', 'web-?', 'web-?', true],
    ['. stands for itself', 'a.b', 'axb', false],
    ['+ stands for itself', 'a+b', 'a+b', true],
    ['[ stands for itself', '[a]', 'a', false],
    ['^…$ is a regular expression', '^a.*b$', 'a123b', true],
    ['^…$ matches the whole text', '^a.*b$', 'a123bc', false],
    ['^…$ with an alternative matches the whole text', '^a|b$', 'axx', false],
    ['^…$ with an alternative matches either', '^a|b$', 'b', true],
    ['only ^ is no regular expression', '^a.*', 'abc', false],
    ['only $ is no regular expression', 'a.*$', 'abc', false],
    ['^$ matches the empty text', '^$', '', true],
    ['a regular expression distinguishes case', '^prod$', 'PROD', false],
    ['a regular expression may ignore case', '^(?i)prod$', 'PROD', true],
    ['a newline does not end a match early', '^prod$', 'prod\nx', false],
  ])('%s', (_, pattern, text, expected) => {
    expect(compilePattern(pattern)(text)).toBe(expected);
  });

  test.each([
    ['an unclosed class', '^[$'],
    ['a look-ahead', '^a(?=b)$'],
    ['a back reference', '^(a)\\1$'],
    ['nested repetition that explodes', '^((a{0,100}){0,100}){0,10}$'],
    ['a large program', '^(((a{0,9}){0,9}){0,9})$'],
    ['more than 1024 characters', `^${'a'.repeat(1024)}$`],
  ])('with %s is refused', (_, pattern) => {
    expect(() => compilePattern(pattern)).toThrow(expect.objectContaining({ code: InvalidPattern.code }));
  });

  test('stays linear on a text made to explode (A-03)', () => {
    const matches = compilePattern('^(a+)+$');
    const text = `${'a'.repeat(60)}!`;
    matches(text);
    const started = performance.now();
    for (let i = 0; i < 1000; i += 1) expect(matches(text)).toBe(false);
    expect((performance.now() - started) / 1000).toBeLessThan(0.5);
  });

  test('made of a quoted text matches that text alone', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 30 }), fc.string({ maxLength: 30 }), (text, other) => {
        const matches = compilePattern(`^${quoteRegex(text)}$`);
        expect(matches(text)).toBe(true);
        expect(matches(other)).toBe(text === other);
      }),
    );
  });

  test('with stars matches what a regular expression would', () => {
    const glob = fc.array(fc.constantFrom('a', 'b', '*'), { maxLength: 8 }).map((parts) => parts.join(''));
    const text = fc.array(fc.constantFrom('a', 'b'), { maxLength: 10 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(glob, text, (glob, text) => {
        const regex = new RegExp(`^${glob.replaceAll('*', '.*')}$`);
        expect(compilePattern(glob)(text)).toBe(regex.test(text));
      }),
      { numRuns: 500 },
    );
  });

  test('compiles the same after two thousand others pushed it out of the cache', () => {
    const before = compilePattern('web-*-x');
    for (let i = 0; i < 2100; i += 1) compilePattern(`other-${i}-*`);
    const after = compilePattern('web-*-x');
    expect(after).not.toBe(before);
    expect(after('web-1-x')).toBe(true);
  });
});
