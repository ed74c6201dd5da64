import { accountOf, isBroad, reliesOnSession, whyNoArnPattern } from '../aws-arn-pattern.ts';
import { type Fields, InvalidResource } from './fields.ts';

/** One AWS identity that may join: everything a rule names must be so. */
export interface AwsRule {
  readonly aws_account?: string;
  readonly aws_role?: string;
  readonly aws_regions?: readonly string[];
  readonly aws_arn?: string;
  /** Unique id of the role or user (`AROA…`, `AIDA…`): one that was made anew under the same name has another. */
  readonly aws_unique_id?: string;
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
    aws_unique_id: fields.string('aws_unique_id') || undefined,
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
  for (const [index, rule] of rules.entries()) {
    refuse(rule, 'ec2', ['aws_arn', 'aws_unique_id', 'aws_organization_id', 'aws_organizational_units']);
    if (!rule.aws_account && !rule.aws_role) {
      throw InvalidResource('allow rule for "ec2" join method must set "aws_account" or "aws_role"');
    }
    if (rule.aws_role) checkRole(rule.aws_role, rule.aws_account, `spec.allow[${index}]`);
  }
  return rules;
}

/** In a role EC2 knows the instances of the role's account and no others. */
function checkRole(role: string, account: string | undefined, at: string): void {
  const [, ofAccount] = /^arn:[a-z-]{3,20}:iam::(\d{12}):role\/[\w+=,.@/-]{1,576}$/.exec(role) ?? [];
  if (ofAccount === undefined)
    throw InvalidResource(
      `${at}.aws_role must be the ARN of a role, like arn:aws:iam::111111111111:role/name`,
    );
  if (account && account !== ofAccount)
    throw InvalidResource(
      `${at}.aws_role is of the account ${ofAccount}, and ${at}.aws_account is ${account}: EC2 tells a role of its own account only`,
    );
}

function checkIam(rules: readonly AwsRule[]): readonly AwsRule[] {
  if (rules.length === 0) throw InvalidResource('the "iam" join method requires defined token allow rules');
  rules.forEach(checkIamRule);
  return rules;
}

function checkIamRule(rule: AwsRule, index: number): void {
  const { aws_account: account, aws_arn: arn, aws_unique_id: uniqueId } = rule;
  const at = (field: keyof AwsRule) => `spec.allow[${index}].${field}`;
  refuse(rule, 'iam', ['aws_role']);
  if (rule.aws_organizational_units && !rule.aws_organization_id) {
    throw InvalidResource('allow rule with "aws_organizational_units" must set "aws_organization_id"');
  }
  if (!account && !arn && !rule.aws_organization_id) {
    throw InvalidResource('allow rule for "iam" join method must set "aws_account" or "aws_arn"');
  }
  if (account && !/^[0-9]{12}$/.test(account))
    throw InvalidResource(`${at('aws_account')} must have twelve digits`);
  if (uniqueId && !/^A[A-Z0-9]{15,127}$/.test(uniqueId))
    throw InvalidResource(`${at('aws_unique_id')} must be the unique id of a role or user, like AROA…`);
  if (!arn) return;
  const reason = whyNoArnPattern(arn);
  if (reason) throw InvalidResource(`${at('aws_arn')} ${reason}`);
  const named = accountOf(arn);
  if (!account && !named)
    throw InvalidResource(`${at('aws_arn')} must name an account, or aws_account must: any account would do`);
  if (account && named && account !== named)
    throw InvalidResource(
      `${at('aws_arn')} is of the account ${named}, and ${at('aws_account')} is ${account}`,
    );
}

/** What about the rules of an `iam` token is allowed and yet worth a second look. */
export function awsRuleWarnings(rules: readonly AwsRule[]): string[] {
  return rules.flatMap((rule, index) => {
    const at = (field: keyof AwsRule) => `spec.allow[${index}].${field}`;
    const { aws_account: account, aws_arn: arn } = rule;
    if (rule.aws_organization_id)
      return [`${at('aws_organization_id')} is kept, but cannot be evaluated yet: this rule admits nobody`];
    if (!arn)
      return [
        `${at('aws_account')}: every role and user of the account ${account} may join; aws_arn narrows it`,
      ];
    if (isBroad(arn)) return [`${at('aws_arn')}: the pattern leaves open which role or user may join`];
    return reliesOnSession(arn)
      ? [
          `${at('aws_arn')}: whoever may assume the role chooses the name of the session; only the role is proof`,
        ]
      : [];
  });
}

function refuse(rule: AwsRule, method: string, parameters: readonly (keyof AwsRule)[]): void {
  const found = parameters.find((parameter) => rule[parameter] !== undefined);
  if (found) throw InvalidResource(`the "${method}" join method does not support the "${found}" parameter`);
}

function listOrNothing(list: string[] | undefined): string[] | undefined {
  return list && list.length > 0 ? list : undefined;
}
