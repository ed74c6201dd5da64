import { accountOf, type AwsRule } from '@postern/contracts';
import { formatDuration, parseDuration } from '@postern/core';
import { ProofRefused } from '../method.ts';
import type { InstanceIdentity } from './identity-document.ts';

const maxAheadMs = 60_000;

/** How long after the start of an instance its document is accepted, where the token does not say. */
export const defaultTtl = '5m';

/** Roles of processes that stay on one instance. A bot has no identity that an instance could stand for. */
const supportedRoles: readonly string[] = ['Node', 'Proxy', 'Kube', 'App', 'Db', 'Discovery'];

/** Refuses roles that an instance cannot join as. */
export function requireSupported(roles: readonly string[]): void {
  const other = roles.find((role) => !supportedRoles.includes(role));
  if (other !== undefined) throw ProofRefused(`role ${other} is unsupported for the EC2 join method`);
}

/** Refuses a document of an instance that was started too long ago, or more than a minute from now. */
export function requireFresh({ pendingTime }: InstanceIdentity, ttl: string, at: Date): void {
  const age = at.getTime() - pendingTime.getTime();
  if (Number.isNaN(age)) throw ProofRefused('the pendingTime of the instance identity document is no time');
  const told = pendingTime.toISOString();
  if (age < -maxAheadMs)
    throw ProofRefused(`pendingTime ${told} of the instance identity document appears to be in the future`);
  const bound = parseDuration(ttl);
  if (age > bound)
    throw ProofRefused(
      `pendingTime ${told} of the instance identity document is longer ago than aws_iid_ttl, ${formatDuration(bound)}`,
    );
}

/** The first rule that lets the instance in; throws `ProofRefused` with what each of them missed. */
export function matchingRule(rules: readonly AwsRule[], identity: InstanceIdentity): AwsRule {
  const found = rules.find((rule) => whyNot(rule, identity) === undefined);
  if (found) return found;
  const missed = rules.map((rule, index) => `allow[${index}].${whyNot(rule, identity)}`);
  throw ProofRefused(`no allow rule matches: ${missed.slice(0, 10).join('; ')}`);
}

function whyNot(
  { aws_account: account, aws_regions: regions, aws_role: role }: AwsRule,
  { accountId, region }: InstanceIdentity,
): string | undefined {
  // In a role EC2 is asked about the instances of the account that the role is of, and no others.
  if (role !== undefined && accountOf(role) !== accountId)
    return `aws_role ${role} is not of the account ${accountId}`;
  if (role === undefined && account === undefined) return 'aws_account is missing';
  if (account !== undefined && account !== accountId) return `aws_account is not ${accountId}`;
  if (regions !== undefined && !regions.includes(region)) return `aws_regions lacks ${region}`;
  return undefined;
}
