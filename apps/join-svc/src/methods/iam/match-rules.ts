import { accountOf, arnMatches, type AwsRule } from '@postern/contracts';
import type { Caller } from './caller.ts';

/** A caller, and the region whose STS vouched for it. */
export interface Vouched extends Caller {
  readonly region: string;
}

const maxToldRules = 20;

/** Why no rule admits the caller, rule by rule and with the field that did not fit; undefined where one does. */
export function whyNoRuleAdmits(rules: readonly AwsRule[], caller: Vouched): string | undefined {
  const reasons = rules.map((rule) => whyNot(rule, caller));
  if (reasons.includes(undefined)) return undefined;
  const told = reasons.slice(0, maxToldRules).map((reason, index) => `spec.allow[${index}].${reason}`);
  const rest = reasons.length - told.length;
  const more = rest > 0 ? [`${rest} more rules do not either`] : [];
  return `no rule admits ${caller.arn}: ${[...told, ...more].join('; ')}`;
}

/** Rules name fields that must all fit. One that cannot be decided here admits nobody. */
function whyNot(rule: AwsRule, { account, arn, userId, region }: Vouched): string | undefined {
  const { aws_arn: pattern, aws_regions: regions, aws_unique_id: uniqueId } = rule;
  if (rule.aws_organization_id !== undefined)
    return 'aws_organization_id cannot be evaluated: STS does not tell the organization of a caller';
  const wanted = rule.aws_account ?? (pattern === undefined ? undefined : accountOf(pattern));
  if (wanted === undefined) return 'aws_account is missing';
  if (wanted !== account) return `aws_account is ${wanted}, not ${account}`;
  if (pattern !== undefined && !arnMatches(pattern, arn)) return `aws_arn ${pattern} does not match`;
  if (regions !== undefined && !regions.includes(region) && !regions.includes('*'))
    return `aws_regions does not contain ${region}`;
  const [principal] = userId.split(':');
  if (uniqueId !== undefined && uniqueId !== principal)
    return `aws_unique_id is ${uniqueId}, not ${principal}: the role was made anew`;
  return undefined;
}
