import { describe, expect, test } from 'vitest';
import { tokenKind } from './token.ts';

const ctx = { now: new Date('2026-01-01T00:00:00Z') };
const account = '333333333333';
const token = (...allow: object[]) => ({
  kind: 'token',
  metadata: { name: 'iam-token' },
  spec: { roles: ['Node'], join_method: 'iam', allow },
});

describe('a token for IAM is refused with', () => {
  test.each([
    ['a pattern for everything (I-11)', { aws_arn: 'arn:*' }, 'spec.allow[0].aws_arn must have six parts'],
    ['no account at all (I-11)', { aws_arn: 'arn:aws:sts::*:assumed-role/x/*' }, 'must name an account'],
    [
      'two accounts',
      { aws_account: account, aws_arn: 'arn:aws:sts::111111111111:assumed-role/x/*' },
      'is of the account 111',
    ],
    ['an account with a wildcard (I-11)', { aws_account: '3*' }, 'aws_account must have twelve digits'],
    [
      'an account of look-alike digits (I-11)',
      { aws_account: '３33333333333' },
      'aws_account must have twelve digits',
    ],
    [
      'a unique id that is none (I-14)',
      { aws_account: account, aws_unique_id: 'node-role' },
      'aws_unique_id must be the unique id',
    ],
  ])('%s', (_, rule, message) => {
    expect(() => tokenKind.normalize(token(rule), ctx)).toThrow(message);
  });
});

describe('a token for IAM is worth a second look', () => {
  test('as the guide prints it: two whole accounts, and a session name that proves nothing (I-12)', () => {
    const rules = [
      { aws_account: '111111111111' },
      { aws_account: '222222222222' },
      { aws_account: account, aws_arn: `arn:aws:sts::${account}:assumed-role/teleport-node-role/i-*` },
    ];
    expect(tokenKind.warnings(token(...rules), ctx)).toEqual([
      'spec.allow[0].aws_account: every role and user of the account 111111111111 may join; aws_arn narrows it',
      'spec.allow[1].aws_account: every role and user of the account 222222222222 may join; aws_arn narrows it',
      'spec.allow[2].aws_arn: whoever may assume the role chooses the name of the session; only the role is proof',
    ]);
  });

  test('for leaving the role open, or naming what cannot be evaluated', () => {
    const open = { aws_account: account, aws_arn: `arn:aws:sts::${account}:assumed-role/*` };
    const organized = { aws_account: account, aws_organization_id: 'o-1' };
    const warnings = tokenKind.warnings(token(open, organized), ctx);
    expect(warnings[0]).toContain('leaves open which role or user may join');
    expect(warnings[1]).toContain('this rule admits nobody');
  });

  test('no more when it names a role', () => {
    const rule = { aws_account: account, aws_arn: `arn:aws:sts::${account}:assumed-role/kube-iam-role/*` };
    expect(tokenKind.warnings(token(rule), ctx)).toEqual([]);
  });

  test('not at all when it is refused anyway', () => {
    expect(tokenKind.warnings(token({ aws_arn: '*' }), ctx)).toEqual([]);
  });
});
