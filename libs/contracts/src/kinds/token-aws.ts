import { type Fields, InvalidResource } from './fields.ts';

/** One AWS identity that may join: everything a rule names must be so. */
export interface AwsRule {
  readonly aws_account?: string;
  readonly aws_role?: string;
  readonly aws_regions?: readonly string[];
  readonly aws_arn?: string;
  readonly aws_organization_id?: string;
  readonly aws_organizational_units?: {
    readonly include: readonly string[];
    readonly exclude?: readonly string[];
  };
}

interface AwsParts {
  readonly allow?: readonly AwsRule[];
  readonly aws_iid_ttl?: string;
}

/** Reads the AWS part of a token: allow rules for `ec2` and `iam`, nothing for other methods. */
export function readAwsRules(spec: Fields, method: string, mappings: readonly Fields[]): AwsParts {
  const ttl = spec.string('aws_iid_ttl') || undefined;
  const rules = mappings.map(readRule);
  if (method === 'ec2') return { allow: checkEc2(rules), aws_iid_ttl: ttl ?? '5m' };
  if (method === 'iam') return { allow: checkIam(rules) };
  if (rules.length > 0)
    throw InvalidResource(`allow rules are not compatible with the "${method}" join method`);
  return {};
}

function readRule(fields: Fields): AwsRule {
  const units = fields.mapping('aws_organizational_units');
  const rule = {
    aws_account: fields.string('aws_account') || undefined,
    aws_role: fields.string('aws_role') || undefined,
    aws_regions: listOrNothing(fields.strings('aws_regions')),
    aws_arn: fields.string('aws_arn') || undefined,
    aws_organization_id: fields.string('aws_organization_id') || undefined,
    aws_organizational_units: units && readUnits(units),
  };
  fields.end();
  return Object.fromEntries(Object.entries(rule).filter(([, value]) => value !== undefined));
}

function readUnits(fields: Fields): NonNullable<AwsRule['aws_organizational_units']> {
  const include = fields.strings('include') ?? [];
  const exclude = listOrNothing(fields.strings('exclude'));
  fields.end();
  if (include.length === 0) throw InvalidResource(`${fields.at('include')} must not be empty`);
  if (include.includes('*') && include.length > 1)
    throw InvalidResource(`${fields.at('include')}: "*" must be alone`);
  if (exclude?.includes('*')) throw InvalidResource(`${fields.at('exclude')}: "*" is not allowed`);
  return { include, ...(exclude ? { exclude } : {}) };
}

function checkEc2(rules: readonly AwsRule[]): readonly AwsRule[] {
  if (rules.length === 0) throw InvalidResource('the "ec2" join method requires defined token allow rules');
  for (const rule of rules) {
    refuse(rule, 'ec2', ['aws_arn', 'aws_organization_id', 'aws_organizational_units']);
    if (!rule.aws_account && !rule.aws_role) {
      throw InvalidResource('allow rule for "ec2" join method must set "aws_account" or "aws_role"');
    }
  }
  return rules;
}

function checkIam(rules: readonly AwsRule[]): readonly AwsRule[] {
  if (rules.length === 0) throw InvalidResource('the "iam" join method requires defined token allow rules');
  for (const rule of rules) {
    refuse(rule, 'iam', ['aws_role', 'aws_regions']);
    if (rule.aws_organizational_units && !rule.aws_organization_id) {
      throw InvalidResource('allow rule with "aws_organizational_units" must set "aws_organization_id"');
    }
    if (!rule.aws_account && !rule.aws_arn && !rule.aws_organization_id) {
      throw InvalidResource('allow rule for "iam" join method must set "aws_account" or "aws_arn"');
    }
  }
  return rules;
}

function refuse(rule: AwsRule, method: string, parameters: readonly (keyof AwsRule)[]): void {
  const found = parameters.find((parameter) => rule[parameter] !== undefined);
  if (found) throw InvalidResource(`the "${method}" join method does not support the "${found}" parameter`);
}

function listOrNothing(list: string[] | undefined): string[] | undefined {
  return list && list.length > 0 ? list : undefined;
}
