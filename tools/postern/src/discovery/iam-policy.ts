import { failure } from '@postern/core';

/** What a policy is for. Empty lists mean all there are. */
export interface PolicyScope {
  readonly partition: string;
  readonly regions: readonly string[];
  readonly accounts: readonly string[];
  /** Whether access to the clusters is set up too. */
  readonly managesAccess: boolean;
  /** Roles that the process takes on for its matchers. */
  readonly assumedRoles: readonly string[];
}

/** A policy of IAM. */
export interface IamPolicy {
  readonly Version: '2012-10-17';
  readonly Statement: readonly Statement[];
}

interface Statement {
  readonly Sid: string;
  readonly Effect: 'Allow';
  readonly Action: readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
}

/** An account that is no account. */
export const InvalidAccount = failure(
  'invalid_argument',
  'postern.invalid_account',
  (account: string) =>
    `${JSON.stringify(account.slice(0, 40))} is not the id of an AWS account, which has 12 digits`,
);

const manageAccess = [
  'eks:AssociateAccessPolicy',
  'eks:CreateAccessEntry',
  'eks:DeleteAccessEntry',
  'eks:DescribeAccessEntry',
  'eks:TagResource',
  'eks:UpdateAccessEntry',
];

/**
 * What the identity of the Discovery Service must be allowed. Which action is limited by which ARN is told by the Service
 * Authorization Reference of Amazon EKS: listing knows no resources, and so is limited by region only.
 */
export function discoveryPolicy(scope: PolicyScope): IamPolicy {
  const badAccount = scope.accounts.find((account) => !/^\d{12}$/.test(account));
  if (badAccount !== undefined) throw InvalidAccount(badAccount);
  const statements = [
    ...discovery(scope),
    ...(scope.managesAccess
      ? [allow('EKSManageAccess', manageAccess, arns(scope, ['cluster', 'access-entry']))]
      : []),
    ...(scope.assumedRoles.length > 0
      ? [allow('AssumeRoles', ['sts:AssumeRole'], scope.assumedRoles.toSorted())]
      : []),
  ];
  return { Version: '2012-10-17', Statement: statements };
}

function discovery(scope: PolicyScope): Statement[] {
  const describe = 'eks:DescribeCluster';
  const list = 'eks:ListClusters';
  if (scope.regions.length === 0 && scope.accounts.length === 0)
    return [allow('EKSDiscovery', [describe, list], '*')];
  const inRegions = { StringEquals: { 'aws:RequestedRegion': scope.regions } };
  return [
    allow('EKSDiscovery', [describe], arns(scope, ['cluster'])),
    { ...allow('EKSList', [list], '*'), ...(scope.regions.length > 0 ? { Condition: inRegions } : {}) },
  ];
}

function arns(
  { partition, regions, accounts }: PolicyScope,
  types: readonly string[],
): string | readonly string[] {
  if (regions.length === 0 && accounts.length === 0) return '*';
  const or = (names: readonly string[]) => (names.length === 0 ? ['*'] : names);
  return or(accounts).flatMap((account) =>
    or(regions).flatMap((region) =>
      types.map((type) => `arn:${partition}:eks:${region}:${account}:${type}/*`),
    ),
  );
}

function allow(Sid: string, Action: readonly string[], Resource: string | readonly string[]): Statement {
  return { Sid, Effect: 'Allow', Action, Resource };
}
