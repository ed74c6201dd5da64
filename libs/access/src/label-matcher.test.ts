import { describe, expect, test } from 'vitest';
import { compileLabels, compileSelector } from './label-matcher.ts';

const target = { env: 'prod', region: 'eu-1', 'teleport.dev/origin': 'dynamic' };

describe('a label selector', () => {
  test.each<[string, Record<string, string | string[]>, Record<string, string>, boolean]>([
    ['that is empty matches nothing', {}, target, false],
    ['that is empty does not even match no labels', {}, {}, false],
    ['*: * matches everything', { '*': '*' }, target, true],
    ['*: * matches a target without labels', { '*': '*' }, {}, true],
    ['*: [*] matches everything', { '*': ['*'] }, {}, true],
    ['*: [*, x] is no wildcard', { '*': ['*', 'x'] }, target, false],
    ['*: prod is no wildcard', { '*': 'prod' }, target, false],
    ['*: * beside another key still needs that key', { '*': '*', env: 'dev' }, target, false],
    ['needs its key', { team: 'a' }, target, false],
    ['needs every key', { env: 'prod', team: 'a' }, target, false],
    ['matches when every key does', { env: 'prod', region: 'eu-*' }, target, true],
    ['fails when one value does not match', { env: 'prod', region: 'us-*' }, target, false],
    ['key: * accepts any value', { env: '*' }, target, true],
    ['key: * needs the key all the same', { team: '*' }, target, false],
    ['a list with * accepts any value', { env: ['dev', '*'] }, target, true],
    ['a list accepts any of its values', { env: ['dev', 'prod'] }, target, true],
    ['a list refuses other values', { env: ['dev', 'test'] }, target, false],
    ['an empty list accepts nothing', { env: [] }, target, false],
    ['a key in another letter case is another key', { ENV: 'prod' }, target, false],
    ['a value in another letter case is another value', { env: 'Prod' }, target, false],
    ['a regular expression matches the whole value', { region: '^eu-[0-9]$' }, target, true],
    ['a regular expression does not match a part', { region: '^eu$' }, target, false],
    ['a key with a slash', { 'teleport.dev/origin': 'dynamic' }, target, true],
    ['a name every object has is no label', { constructor: '*' }, target, false],
    ['an empty value matches the empty pattern', { env: '' }, { env: '' }, true],
    ['an empty value matches *', { env: '*' }, { env: '' }, true],
  ])('%s', (_, selector, labels, expected) => {
    expect(compileLabels(selector)(labels).matches).toBe(expected);
  });

  test.each<[Record<string, string | string[]>, string]>([
    [{ team: 'a' }, "no key match: 'team'"],
    [{ env: ['dev', 'test'] }, "no value match: got 'prod' want: '[dev test]'"],
    [{}, 'the selector is empty'],
  ])('%j says why it does not match', (selector, reason) => {
    expect(compileLabels(selector)(target)).toEqual({ matches: false, reason });
  });

  test('with an invalid regular expression is an error and no mismatch', () => {
    expect(() => compileLabels({ env: '^[$' })).toThrow(
      expect.objectContaining({ code: 'contracts.invalid_pattern' }),
    );
  });
});

describe('the selector of a view', () => {
  const matches = compileSelector({
    any: [{ labels: { env: ['dev'], region: ['*'] } }, { labels: { team: ['a'] } }],
  });

  test.each<[string, Record<string, string>, boolean]>([
    ['matches by its first item', { env: 'dev', region: 'x' }, true],
    ['matches by its second item', { team: 'a' }, true],
    ['needs all labels within an item', { env: 'dev' }, false],
    ['does not mix items', { env: 'dev', team: 'b' }, false],
  ])('%s', (_, labels, expected) => {
    expect(matches(labels)).toBe(expected);
  });

  test('without items matches nothing', () => {
    expect(compileSelector({ any: [] })({ env: 'dev' })).toBe(false);
  });

  test('with an item without labels matches nothing', () => {
    expect(compileSelector({ any: [{ labels: {} }] })({ env: 'dev' })).toBe(false);
  });
});
