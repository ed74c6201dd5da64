import { describe, expect, test } from 'vitest';
import { InvalidTemplate, isTemplate, parseTemplate } from './template.ts';

const traits = {
  team: ['red', 'blue'],
  email: ['alice@example.com', 'not an address', 'bob@example.com'],
  'odd name/x': ['odd'],
  kubernetes_groups: ['viewers'],
  groups: ['k8s-dev', 'k8s-ops', 'other'],
  long: ['x'.repeat(2000)],
};

function expand(text: string): string[] {
  const { prefix, suffix, values } = parseTemplate(text);
  return values(traits).map((value) => `${prefix}${value}${suffix}`);
}

describe('a template', () => {
  test.each([
    ['takes every value of a trait', '{{external.team}}', ['red', 'blue']],
    ['keeps what stands around it', 'a-{{external.team}}-z', ['a-red-z', 'a-blue-z']],
    ['may have blanks inside', '{{ external.team }}', ['red', 'blue']],
    ['reads internal traits', '{{internal.kubernetes_groups}}', ['viewers']],
    ['names odd traits in brackets', '{{external["odd name/x"]}}', ['odd']],
    ['gives nothing for a missing trait', '{{external.absent}}', []],
    ['gives nothing for a name every object has', '{{external.constructor}}', []],
    [
      'takes the local part of addresses and drops what is none',
      '{{email.local(external.email)}}',
      ['alice', 'bob'],
    ],
    [
      'replaces by regular expression and drops what does not match',
      '{{regexp.replace(external.groups, "^k8s-(.*)$", "$1")}}',
      ['dev', 'ops'],
    ],
    [
      'understands ${1} and backquotes',
      '{{regexp.replace(external.groups, `^k8s-(\\w+)$`, "${1}-x")}}',
      ['dev-x', 'ops-x'],
    ],
    ['nests functions', '{{regexp.replace(email.local(external.email), "^(a.*)$", "$1!")}}', ['alice!']],
    ['drops values that are too long', '{{external.long}}', []],
  ])('%s', (_, text, expected) => {
    expect(expand(text)).toEqual(expected);
  });

  test.each([
    ['that is not closed', '{{external.team'],
    ['that is not opened', 'external.team}}'],
    ['that is empty', '{{}}'],
    ['with two expressions', '{{external.a}}{{external.b}}'],
    ['of an unknown source', '{{user.name}}'],
    ['of an unknown internal trait', '{{internal.kubernetes_group}}'],
    ['without a trait', '{{external}}'],
    ['with an unknown function', '{{email.domain(external.email)}}'],
    ['with a function of nothing', '{{email.local()}}'],
    ['with more behind its end', '{{external.a external.b}}'],
    ['with an expression RE2 does not know', '{{regexp.replace(external.a, "(?=x)", "")}}'],
    ['with single quotes', "{{external['a']}}"],
  ])('%s is refused', (_, text) => {
    expect(isTemplate(text)).toBe(true);
    expect(() => parseTemplate(text)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^contracts\.invalid_(template|pattern)$/) }),
    );
  });

  test('error names the template', () => {
    expect(() => parseTemplate('{{nope.x}}')).toThrow(
      InvalidTemplate('{{nope.x}}', 'it starts with').message,
    );
  });
});
