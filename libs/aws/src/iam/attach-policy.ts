import type * as Sdk from '@aws-sdk/client-iam';
import { failure, messageOf } from '@postern/core';

/** Whose policy it becomes. */
export interface PolicyHolder {
  readonly kind: 'role' | 'user';
  /** Its name, without a path. */
  readonly name: string;
}

/** IAM did not do as it was asked. */
export const IamRefused = failure(
  'permission_denied',
  'aws.iam_refused',
  (action: string, why: string) =>
    `iam:${action} failed: ${why}: use credentials that may do it, or attach the policy by hand`,
);

/** A managed policy has so many versions at most (IAM quotas). */
const maxVersions = 5;

/**
 * Makes a managed policy of that name, or a new version of it where what it says is another, and attaches it. What has been
 * done already is left as it is, so that it can be run again. Gives its ARN, and what was changed, a sentence each.
 */
export async function attachPolicy(
  policyName: string,
  policy: object,
  { region, ...holder }: PolicyHolder & { readonly region: string },
): Promise<{ readonly arn: string; readonly done: readonly string[] }> {
  const sdk = await import('@aws-sdk/client-iam');
  // IAM is in one place for each partition; what it is signed for is told by the SDK's rules for endpoints.
  const client = new sdk.IAMClient({ region, maxAttempts: 3 });
  const document = JSON.stringify(policy);
  try {
    const holderArn = await arnOf(sdk, client, holder);
    const arn = holderArn.replace(/:(?:role|user)\/.*$/, `:policy/${policyName}`);
    const done = await ensurePolicy({ sdk, client }, { arn, policyName, document });
    await attach(sdk, client, { arn, holder });
    return { arn, done: [...done, `${arn} is attached to the ${holder.kind} ${holder.name}`] };
  } finally {
    client.destroy();
  }
}

interface Iam {
  readonly sdk: typeof Sdk;
  readonly client: Sdk.IAMClient;
}

/** The role or user must be there before anything is made. Its ARN tells account and partition. */
async function arnOf(sdk: typeof Sdk, client: Sdk.IAMClient, { kind, name }: PolicyHolder): Promise<string> {
  if (kind === 'role') {
    const { Role } = await asked('GetRole', client.send(new sdk.GetRoleCommand({ RoleName: name })));
    return Role?.Arn ?? '';
  }
  const { User } = await asked('GetUser', client.send(new sdk.GetUserCommand({ UserName: name })));
  return User?.Arn ?? '';
}

interface Managed {
  readonly arn: string;
  readonly policyName: string;
  readonly document: string;
}

async function ensurePolicy({ sdk, client }: Iam, managed: Managed): Promise<string[]> {
  const { arn, policyName, document } = managed;
  try {
    await client.send(new sdk.CreatePolicyCommand({ PolicyName: policyName, PolicyDocument: document }));
    return [`${arn} was made`];
  } catch (error) {
    if (!(error instanceof sdk.EntityAlreadyExistsException)) throw refused('CreatePolicy', error);
  }
  const { Versions = [] } = await asked(
    'ListPolicyVersions',
    client.send(new sdk.ListPolicyVersionsCommand({ PolicyArn: arn })),
  );
  const current = Versions.find(({ IsDefaultVersion }) => IsDefaultVersion)?.VersionId;
  const { PolicyVersion } = await asked(
    'GetPolicyVersion',
    client.send(new sdk.GetPolicyVersionCommand({ PolicyArn: arn, VersionId: current })),
  );
  if (decodeURIComponent(PolicyVersion?.Document ?? '') === document) return [];
  const [oldest] = Versions.filter(({ IsDefaultVersion }) => !IsDefaultVersion)
    .flatMap(({ VersionId }) => VersionId ?? [])
    .toSorted((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
  if (Versions.length >= maxVersions && oldest !== undefined) {
    const command = new sdk.DeletePolicyVersionCommand({ PolicyArn: arn, VersionId: oldest });
    await asked('DeletePolicyVersion', client.send(command));
  }
  const next = new sdk.CreatePolicyVersionCommand({
    PolicyArn: arn,
    PolicyDocument: document,
    SetAsDefault: true,
  });
  await asked('CreatePolicyVersion', client.send(next));
  return [`${arn} has a new version`];
}

async function attach(
  sdk: typeof Sdk,
  client: Sdk.IAMClient,
  { arn, holder }: { readonly arn: string; readonly holder: PolicyHolder },
): Promise<void> {
  const PolicyArn = arn;
  if (holder.kind === 'role') {
    const command = new sdk.AttachRolePolicyCommand({ PolicyArn, RoleName: holder.name });
    await asked('AttachRolePolicy', client.send(command));
  } else {
    const command = new sdk.AttachUserPolicyCommand({ PolicyArn, UserName: holder.name });
    await asked('AttachUserPolicy', client.send(command));
  }
}

async function asked<T>(action: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw refused(action, error);
  }
}

function refused(action: string, error: unknown): Error {
  return IamRefused.from(error, action, messageOf(error));
}
