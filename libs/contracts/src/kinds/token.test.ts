import { describe, expect, test } from 'vitest';
import { isMaskedName, maskedName, tokenKind } from './token.ts';

const ctx = { now: new Date('2026-01-01T00:00:00Z') };

function normalize(spec: Record<string, unknown>) {
  return tokenKind.normalize({ kind: 'token', version: 'v2', metadata: { name: 'abc' }, spec }, ctx).spec;
}

const kube = (fields: Record<string, unknown>) => ({ roles: ['Kube'], ...fields });
const iam = (rule: Record<string, unknown>) => kube({ join_method: 'iam', allow: [rule] });
const ec2 = (rule: Record<string, unknown>) => kube({ join_method: 'ec2', allow: [rule] });
const k8s = (block: Record<string, unknown>) => kube({ join_method: 'kubernetes', kubernetes: block });
const account = '111111111111';
const accounts = { allow: [{ service_account: 'ns:sa' }] };

describe('a token', () => {
  test('without a method is a token that is a secret', () => {
    expect(normalize(kube({}))).toEqual({ roles: ['Kube'], join_method: 'token' });
  });

  test('without a method but with rules is for EC2', () => {
    expect(normalize(kube({ allow: [{ aws_account: '1' }] }))).toMatchObject({
      join_method: 'ec2',
      aws_iid_ttl: '5m',
    });
  });

  test('for IAM keeps its rules', () => {
    expect(
      normalize(iam({ aws_account: account, aws_arn: `arn:aws:sts::${account}:assumed-role/x/*` })).allow,
    ).toHaveLength(1);
  });

  test('for IAM may name regions, as the Terraform example of the guide does, and the unique id of a role', () => {
    const rule = { aws_account: account, aws_regions: ['us-west-1'], aws_unique_id: 'AROAEXAMPLEROLE00001' };
    expect(normalize(iam(rule)).allow).toEqual([rule]);
  });

  test('for IAM needs no account beside an ARN that names one', () => {
    const rule = { aws_arn: `arn:aws:iam::${account}:user/dev/*` };
    expect(normalize(iam(rule)).allow).toEqual([rule]);
  });

  test('for IAM may name an organization', () => {
    const rule = {
      aws_organization_id: 'o-1',
      aws_organizational_units: { include: ['ou-1'], exclude: ['ou-2'] },
    };
    expect(normalize(iam(rule)).allow).toEqual([rule]);
  });

  test('for Kubernetes is for the own cluster unless it says otherwise', () => {
    expect(normalize(k8s(accounts)).kubernetes).toEqual({ type: 'in_cluster', ...accounts });
  });

  test('for Kubernetes may bring keys or an issuer', () => {
    const jwks = '{"keys":[{"kty":"RSA","n":"x","e":"AQAB"}]}';
    expect(
      normalize(k8s({ ...accounts, type: 'static_jwks', static_jwks: { jwks } })).kubernetes?.static_jwks,
    ).toEqual({ jwks });
    const oidc = { issuer: 'https://issuer.example.com' };
    expect(normalize(k8s({ ...accounts, type: 'oidc', oidc })).kubernetes?.oidc).toEqual(oidc);
  });

  test('for a bot names it', () => {
    expect(normalize({ roles: ['Bot'], bot_name: 'ci' })).toMatchObject({ bot_name: 'ci' });
  });

  test('keeps suggested labels as lists', () => {
    expect(normalize(kube({ suggested_labels: { a: 'b', c: ['d', 'e'] } })).suggested_labels).toEqual({
      a: ['b'],
      c: ['d', 'e'],
    });
  });

  test('passes again unchanged', () => {
    for (const spec of [
      kube({}),
      ec2({ aws_role: 'arn:aws:iam::123456789012:role/path/r' }),
      k8s(accounts),
      kube({ join_method: 'github', github: { allow: [] } }),
    ]) {
      const once = normalize(spec);
      expect(normalize({ ...once })).toEqual(once);
    }
  });
});

describe('a refused token', () => {
  const cases: [spec: Record<string, unknown>, message: string][] = [
    [{}, 'provisioning token is missing roles'],
    [{ roles: [] }, 'provisioning token is missing roles'],
    [{ roles: ['kube'] }, 'role kube is not registered'],
    [{ roles: ['Kube', 'Root'] }, 'role Root is not registered'],
    [{ roles: ['Bot'] }, 'token with role "Bot" must set bot_name'],
    [kube({ bot_name: 'x' }), 'can only set bot_name on token with role "Bot"'],
    [kube({ join_method: 'magic' }), 'unknown join method "magic"'],
    [
      kube({ join_method: 'token', allow: [{ aws_account: '1' }] }),
      'allow rules are not compatible with the "token" join method',
    ],
    [kube({ join_method: 'ec2' }), 'the "ec2" join method requires defined token allow rules'],
    [
      ec2({ aws_account: '1', aws_arn: 'x' }),
      'the "ec2" join method does not support the "aws_arn" parameter',
    ],
    [ec2({ aws_regions: ['x'] }), 'allow rule for "ec2" join method must set "aws_account" or "aws_role"'],
    [
      ec2({ aws_account: '1', aws_organization_id: 'o' }),
      'the "ec2" join method does not support the "aws_organization_id" parameter',
    ],
    [ec2({ aws_role: 'r' }), 'spec.allow[0].aws_role must be the ARN of a role'],
    [
      ec2({ aws_account: account, aws_role: 'arn:aws:iam::999999999999:role/r' }),
      'spec.allow[0].aws_role is of the account 999999999999, and spec.allow[0].aws_account is',
    ],
    [kube({ join_method: 'iam' }), 'the "iam" join method requires defined token allow rules'],
    [
      iam({ aws_account: account, aws_role: 'x' }),
      'the "iam" join method does not support the "aws_role" parameter',
    ],
    [iam({}), 'allow rule for "iam" join method must set "aws_account" or "aws_arn"'],
    [
      iam({ aws_account: '1', aws_organizational_units: { include: ['a'] } }),
      'must set "aws_organization_id"',
    ],
    [
      iam({ aws_organization_id: 'o', aws_organizational_units: { include: [] } }),
      'include must not be empty',
    ],
    [
      iam({ aws_organization_id: 'o', aws_organizational_units: { include: ['*', 'a'] } }),
      '"*" must be alone',
    ],
    [
      iam({ aws_organization_id: 'o', aws_organizational_units: { include: ['a'], exclude: ['*'] } }),
      '"*" is not allowed',
    ],
    [iam({ aws_acount: '1' }), 'unknown field "spec.allow[0].aws_acount"'],
    [
      kube({ join_method: 'kubernetes' }),
      '"kubernetes" configuration must be provided for the join method "kubernetes"',
    ],
    [kube({ join_method: 'github' }), '"github" configuration must be provided for the join method "github"'],
    [k8s({}), 'allow: at least one rule must be set'],
    [k8s({ allow: [{}] }), 'allow[0].service_account: name of service account must be set'],
    [
      k8s({ allow: [{ service_account: 'sa' }] }),
      'allow[0].service_account: name of service account should be in format "namespace:service_account", got "sa" instead',
    ],
    [
      k8s({ ...accounts, static_jwks: { jwks: '{}' } }),
      'static_jwks: must not be set when type is "in_cluster"',
    ],
    [k8s({ ...accounts, type: 'static_jwks' }), 'static_jwks: must be set when type is "static_jwks"'],
    [
      k8s({ ...accounts, type: 'static_jwks', static_jwks: {} }),
      'static_jwks.jwks: must be set when type is "static_jwks"',
    ],
    [
      k8s({ ...accounts, type: 'static_jwks', static_jwks: { jwks: '{"keys":[{"d":"x"}]}' } }),
      'key set of public keys',
    ],
    [k8s({ ...accounts, type: 'oidc' }), 'oidc: must be set when type is "oidc"'],
    [k8s({ ...accounts, type: 'oidc', oidc: { issuer: 'http://a' } }), 'oidc.issuer: must be an https URL'],
    [k8s({ ...accounts, type: 'mtls' }), 'type: "mtls" is not supported'],
    [kube({ allow: 'x' }), 'spec.allow must be a list'],
    [kube({ rolls: [] }), 'unknown field "spec.rolls"'],
  ];
  test.each(cases.map(([spec, message]) => [message, spec] as const))('is told: %s', (message, spec) => {
    expect(() => normalize(spec)).toThrow(message);
  });
});

describe('a masked name', () => {
  test('of a short secret shows nothing', () => {
    expect(maskedName('short')).toBe('*****');
  });

  test('of a long secret shows the last quarter', () => {
    expect(maskedName('0123456789abcdef')).toBe('************cdef');
  });

  test('is known as one', () => {
    expect(isMaskedName(maskedName('anything'))).toBe(true);
    expect(isMaskedName('a*')).toBe(false);
  });
});
