import { describe, expect, test } from 'vitest';
import { compileLabelExpression } from './label-expression.ts';

const labels = { env: 'staging', region: 'eu-1', 'teleport.dev/origin': 'dynamic' };
const traits = { envs: ['dev', 'staging'], level: ['7'] };

describe('a label expression', () => {
  test.each([
    ['a label equals a text', 'labels["env"] == "staging"', true],
    ['a label does not equal another text', 'labels["env"] == "prod"', false],
    ['a text equals a label', '"staging" == labels["env"]', true],
    ['labels differ', 'labels["env"] != labels["region"]', true],
    ['a label by dot', 'labels.env == "staging"', true],
    ['a missing label is the empty text', 'labels["absent"] == ""', true],
    ['a missing label differs from any text', 'labels["absent"] != "prod"', true],
    ['a name every object has is a missing label', 'labels["constructor"] == ""', true],
    ['a trait contains a label', 'contains(user.spec.traits["envs"], labels["env"])', true],
    ['a trait does not contain another label', 'contains(user.spec.traits["envs"], labels["region"])', false],
    ['a missing trait contains nothing', 'contains(user.spec.traits["absent"], labels["env"])', false],
    [
      'a missing trait does not contain a missing label',
      'contains(user.spec.traits["absent"], labels["absent"])',
      false,
    ],
    ['a label matches a glob', 'regexp.match(labels["region"], "eu-*")', true],
    ['a label matches a regular expression', 'regexp.match(labels["region"], "^eu-[0-9]$")', true],
    ['a regular expression matches the whole label', 'regexp.match(labels["region"], "^eu$")', false],
    ['some value of a trait matches', 'regexp.match(user.spec.traits.envs, "dev")', true],
    ['no value of a trait matches', 'regexp.match(user.spec.traits["envs"], "prod")', false],
    ['&& needs both', 'labels["env"] == "staging" && labels["region"] == "us-1"', false],
    ['|| needs one', 'labels["env"] == "staging" || labels["region"] == "us-1"', true],
    ['&& binds closer than ||', 'labels.env == "staging" || labels.env == "x" && labels.env == "y"', true],
    [
      'parentheses bind closest',
      '(labels.env == "staging" || labels.env == "x") && labels.env == "y"',
      false,
    ],
    ['! negates what follows it', '!(labels.env == "staging")', false],
    ['!! is nothing', '!!(labels.env == "staging")', true],
    ['blanks and line ends do not matter', '\n labels . env\n==\t"staging" ', true],
  ])('%s', (_, text, expected) => {
    expect(compileLabelExpression(text)(labels, traits)).toBe(expected);
  });

  test.each([
    ['empty', ''],
    ['a text alone', '"prod"'],
    ['a label alone', 'labels["env"]'],
    ['an unknown name', 'cluster["env"] == "x"'],
    ['an unknown function', 'eval("1")'],
    ['an unknown method', 'regexp.replace(labels.env, "a")'],
    ['a trait compared with ==', 'user.spec.traits["envs"] == "dev"'],
    ['contains with two texts', 'contains("a", "b")'],
    ['contains with two lists', 'contains(user.spec.traits.a, user.spec.traits.b)'],
    ['contains with one argument', 'contains(user.spec.traits.a)'],
    ['a pattern that is not constant', 'regexp.match(labels.env, labels.region)'],
    ['an invalid pattern', 'regexp.match(labels.env, "^[$")'],
    ['an unclosed parenthesis', '(labels.env == "a"'],
    ['a closed one too many', 'labels.env == "a")'],
    ['a single &', 'labels.env == "a" & labels.env == "b"'],
    ['an operator at the end', 'labels.env == "a" &&'],
    ['two expressions', 'labels.env == "a" labels.env == "b"'],
    ['an unclosed text', 'labels.env == "a'],
    ['single quotes', "labels['env'] == 'a'"],
    ['an assignment', 'labels.env = "a"'],
    ['a hundred parentheses', `${'('.repeat(100)}labels.env == "a"${')'.repeat(100)}`],
    ['five thousand characters', `labels.env == "${'a'.repeat(5000)}"`],
  ])('%s is refused', (_, text) => {
    expect(() => compileLabelExpression(text)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^contracts\.invalid_(expression|pattern)$/) }),
    );
  });

  test('error says where', () => {
    expect(() => compileLabelExpression('labels.env ==')).toThrow(/expected a name at ""/);
  });
});
