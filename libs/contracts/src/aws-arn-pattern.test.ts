import { describe, expect, test } from 'vitest';
import { accountOf, arnMatches, isBroad, reliesOnSession, whyNoArnPattern } from './aws-arn-pattern.ts';

const sts = (resource: string, account = '333333333333') =>
  `arn:aws:sts::${account}:assumed-role/${resource}`;

describe('a pattern for ARNs', () => {
  test.each([
    [sts('teleport-node-role/i-*'), sts('teleport-node-role/i-0123')],
    [sts('kube-iam-role/*'), sts('kube-iam-role/botocore-session-1')],
    [sts('admins-???/*'), sts('admins-123/x')],
    [sts('*'), sts('any/session')],
    ['arn:*:sts::333333333333:assumed-role/a/*', 'arn:aws-cn:sts::333333333333:assumed-role/a/b'],
    ['arn:aws:iam::*:user/dev/*', 'arn:aws:iam::333333333333:user/dev/team/eve'],
    [sts('a*b*c/**'), sts('aXbYbZc/s')],
  ])('%s matches %s', (pattern, arn) => {
    expect(arnMatches(pattern, arn)).toBe(true);
  });

  test.each([
    ['the name goes on (I-11)', sts('teleport-node-role/i-*'), sts('teleport-node-role-evil/i-1')],
    ['the name is in the session (I-11)', sts('teleport-node-role/i-*'), sts('x/teleport-node-role/i-1')],
    ['a dot is a dot (I-11)', sts('r.le/*'), sts('role/x')],
    ['other brackets and stars of expressions are themselves (I-11)', sts('[a-z]+/*'), sts('abc/x')],
    ['letters have a case (I-11)', sts('role/*'), sts('role/x').toUpperCase()],
    [
      'a star stays between its colons (I-11)',
      'arn:aws:sts::*:assumed-role/a/b',
      'arn:aws:sts::1:x:assumed-role/a/b',
    ],
    [
      'a star stays within its part (I-11)',
      'arn:aws:*::333333333333:assumed-role/a/b',
      sts('a/b').replace('::', ':x:'),
    ],
    ['one character is one (I-11)', sts('admins-???/x'), sts('admins-1234/x')],
    ['one character is not none (I-11)', sts('admins-???/x'), sts('admins-12/x')],
    ['the whole text counts (I-11)', sts('role/x'), sts('role/xy')],
    ['digits that look alike are others (I-11)', sts('role/x'), sts('role/x', '３33333333333')],
  ])('does not match where %s', (_, pattern, arn) => {
    expect(arnMatches(pattern, arn)).toBe(false);
  });

  test('takes no longer for many stars than for their number times the length of the text', () => {
    const pattern = sts(`${'a*'.repeat(500)}b`);
    expect(arnMatches(pattern, sts('a'.repeat(1_000)))).toBe(false);
  });

  test.each([
    ['arn:*', 'must have six parts'],
    ['*', 'must have six parts'],
    ['arn:aws:sts::333333333333:assumed-role/a:b', 'must have six parts'],
    ['ARN:aws:sts::333333333333:assumed-role/a', 'must begin with "arn:"'],
    ['*:aws:sts::333333333333:assumed-role/a', 'must begin with "arn:"'],
    ['arn:AWS:sts::333333333333:assumed-role/a', 'must name a partition'],
    ['arn:aws:ec2::333333333333:instance/a', 'of the service sts or iam'],
    ['arn:aws:sts:us-east-1:333333333333:assumed-role/a', 'must name no region'],
    ['arn:aws:sts::333333333333:', 'must name a role or user'],
    [sts('a'.repeat(3_000)), 'longer than'],
  ])('%s is refused: %s (I-11)', (pattern, reason) => {
    expect(whyNoArnPattern(pattern)).toContain(reason);
  });

  test('names an account, or leaves it open', () => {
    expect(accountOf(sts('x/*'))).toBe('333333333333');
    for (const account of ['*', '33333333333?', '3', '３33333333333'])
      expect(accountOf(sts('x/*', account))).toBeUndefined();
  });

  test('relies on the session, or leaves the role open', () => {
    expect([sts('r/i-*'), sts('r/*'), sts('r')].map(reliesOnSession)).toEqual([true, false, false]);
    const patterns = [sts('*'), sts('*/i-1'), 'arn:aws:sts::333333333333:*', sts('r*/x'), sts('r/*')];
    expect(patterns.map(isBroad)).toEqual([true, true, true, false, false]);
  });
});
