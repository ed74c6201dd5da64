import { compilePattern } from '@postern/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expandPattern, expandPrincipals, expandText } from './templates.ts';

const traits = {
  kubernetes_groups: ['viewers', 'editors'],
  evil: ['system:masters', 'System:Masters', 'ok'],
  masters: ['masters'],
  broken: ['a\nb', ' a', '', 'fine'],
  star: ['*', 'a*b'],
  regex: ['^.*$'],
  team: ['red', 'blue'],
};

describe('groups of a role', () => {
  test.each([
    ['are what is written', ['viewers'], ['viewers']],
    ['come from a trait', ['{{internal.kubernetes_groups}}'], ['viewers', 'editors']],
    ['are dropped when the trait is missing', ['{{external.absent}}', 'viewers'], ['viewers']],
    ['are kept once', ['viewers', '{{internal.kubernetes_groups}}'], ['viewers', 'editors']],
    ['may be system:masters when the role says so', ['system:masters'], ['system:masters']],
    ['are not system:masters because a trait says so', ['{{external.evil}}'], ['ok']],
    ['are not system:masters by a prefix and a trait', ['system:{{external.masters}}'], []],
    ['drop trait values that are no header line', ['{{external.broken}}'], ['fine']],
    ['take the * of a trait as a name', ['{{external.star}}'], ['*', 'a*b']],
  ])('%s', (_, written, expected) => {
    expect(expandPrincipals(written, traits)).toEqual(expected);
  });
});

describe('a pattern with a template', () => {
  test.each([
    ['is every value of the trait', '{{external.team}}', 'red', true],
    ['is nothing else', '{{external.team}}', 'green', false],
    ['keeps the * around the template', '{{external.team}}-*', 'blue-1', true],
    ['keeps the anchors', '{{external.team}}-*', 'x-blue-1', false],
    ['takes the * of a trait as a star', '{{external.star}}', 'anything', false],
    ['matches the star itself', '{{external.star}}', '*', true],
    ['takes a trait that looks like a regular expression as text', '{{external.regex}}', 'anything', false],
    ['matches that text itself', '{{external.regex}}', '^.*$', true],
    ['keeps * around a trait with a star', '{{external.star}}-*', 'a*b-1', true],
    ['does not let the trait be a star beside one', '{{external.star}}-*', 'axb-1', false],
    ['may be a regular expression around the template', '^{{external.team}}-[0-9]$', 'red-1', true],
    ['quotes the trait inside a regular expression', '^{{external.star}}-[0-9]$', 'aab-1', false],
  ])('%s', (_, pattern, text, expected) => {
    expect(expandPattern(pattern, traits).some((one) => compilePattern(one)(text))).toBe(expected);
  });

  test('never matches more than the trait value between its ends', () => {
    const text = fc.string({ minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(text, text, (value, other) => {
        const patterns = expandPattern('a-{{external.t}}', { t: [value] });
        expect(patterns.some((one) => compilePattern(one)(`a-${value}`))).toBe(true);
        expect(patterns.some((one) => compilePattern(one)(`a-${other}`))).toBe(value === other);
      }),
    );
  });

  test('keeps the star of a trait where it denies', () => {
    expect(expandText('{{external.star}}', traits)).toEqual(['*', 'a*b']);
  });
});
