import type { AwsAccounts, AwsPrincipal } from './accounts.ts';
import { type SignedRequest, verifySignature } from './signature.ts';
import { formatAnswer, type StsAnswer } from './sts.ts';

interface Version {
  readonly id: string;
  readonly document: string;
}

/** A managed policy. */
export interface IamPolicyState {
  readonly versions: Version[];
  standard: string;
  readonly attachedTo: Set<string>;
}

/** The policies of a little AWS by ARN, and which of its users may use IAM. */
export class IamState {
  readonly policies = new Map<string, IamPolicyState>();
  readonly users = new Set<string>();
  /** Actions that nobody may take. */
  readonly denied = new Set<string>();
  readonly calls: string[] = [];
  versionsMade = 0;
}

interface Asked {
  readonly iam: IamState;
  readonly accounts: AwsAccounts;
  readonly as: AwsPrincipal;
  readonly get: (name: string) => string;
}

type Result = Readonly<Record<string, unknown>> | { readonly fault: string; readonly status: number };

const maxVersions = 5;

/** What IAM answers to a request (https://docs.aws.amazon.com/IAM/latest/APIReference/). */
export function answerAsIam(
  request: SignedRequest,
  { iam, accounts, at }: { readonly iam: IamState; readonly accounts: AwsAccounts; readonly at: Date },
): { readonly status: number; readonly type: string; readonly text: string } {
  const parameters = new URLSearchParams(request.body);
  const action = parameters.get('Action') ?? '';
  iam.calls.push(action);
  const signer = verifySignature(request, { keys: accounts.keys, service: 'iam', region: 'us-east-1', at });
  const asked = (as: AwsPrincipal): Asked => ({
    iam,
    accounts,
    as,
    get: (name) => parameters.get(name) ?? '',
  });
  const result: Result =
    'code' in signer
      ? { fault: signer.code, status: signer.status }
      : answer(action, asked(accounts.ownerOf(signer)));
  const told: StsAnswer =
    'fault' in result
      ? {
          status: Number(result['status']),
          action,
          result: { Type: 'Sender', Code: result['fault'], Message: `${action} was refused` },
        }
      : { status: 200, action, result };
  return { status: told.status, ...formatAnswer(told) };
}

function answer(action: string, asked: Asked): Result {
  if (asked.iam.denied.has(action)) return { fault: 'AccessDenied', status: 403 };
  return actions[action]?.(asked) ?? { fault: 'NoSuchEntity', status: 404 };
}

const actions: Readonly<Record<string, (asked: Asked) => Result | undefined>> = {
  GetRole: ({ accounts, as, get }) => {
    const role = [...accounts.roles.values()].find(
      ({ arn }) => arn.split(':')[4] === as.account && arn.split('/').at(-1) === get('RoleName'),
    );
    return role && { Role: { Arn: role.arn, RoleName: get('RoleName'), RoleId: role.id, Path: '/' } };
  },
  GetUser: ({ iam, as, get }) => {
    const arn = `arn:aws:iam::${as.account}:user/${get('UserName')}`;
    return iam.users.has(arn) ? { User: { Arn: arn, UserName: get('UserName') } } : undefined;
  },
  CreatePolicy: ({ iam, as, get }) => {
    const Arn = `arn:aws:iam::${as.account}:policy/${get('PolicyName')}`;
    if (iam.policies.has(Arn)) return { fault: 'EntityAlreadyExists', status: 409 };
    iam.policies.set(Arn, { versions: [], standard: '', attachedTo: new Set() });
    addVersion(iam, Arn, get('PolicyDocument'));
    return { Policy: { Arn, PolicyName: get('PolicyName') } };
  },
  ListPolicyVersions: ({ iam, get }) => {
    const policy = iam.policies.get(get('PolicyArn'));
    return (
      policy && {
        IsTruncated: false,
        Versions: {
          member: policy.versions.map(({ id }) => ({
            VersionId: id,
            IsDefaultVersion: id === policy.standard,
          })),
        },
      }
    );
  },
  GetPolicyVersion: ({ iam, get }) => {
    const found = iam.policies.get(get('PolicyArn'))?.versions.find(({ id }) => id === get('VersionId'));
    return found && { PolicyVersion: { VersionId: found.id, Document: encodeURIComponent(found.document) } };
  },
  CreatePolicyVersion: ({ iam, get }) => {
    const policy = iam.policies.get(get('PolicyArn'));
    if (!policy) return undefined;
    if (policy.versions.length >= maxVersions) return { fault: 'LimitExceeded', status: 409 };
    return { PolicyVersion: { VersionId: addVersion(iam, get('PolicyArn'), get('PolicyDocument')) } };
  },
  DeletePolicyVersion: ({ iam, get }) => {
    const policy = iam.policies.get(get('PolicyArn'));
    const at = policy?.versions.findIndex(({ id }) => id === get('VersionId')) ?? -1;
    if (!policy || at < 0) return undefined;
    if (policy.standard === get('VersionId')) return { fault: 'DeleteConflict', status: 409 };
    policy.versions.splice(at, 1);
    return {};
  },
  AttachRolePolicy: ({ iam, get }) => attach(iam, get('PolicyArn'), `role/${get('RoleName')}`),
  AttachUserPolicy: ({ iam, get }) => attach(iam, get('PolicyArn'), `user/${get('UserName')}`),
};

function addVersion(iam: IamState, arn: string, document: string): string {
  const policy = iam.policies.get(arn)!;
  iam.versionsMade += 1;
  const id = `v${iam.versionsMade}`;
  policy.versions.push({ id, document });
  policy.standard = id;
  return id;
}

function attach(iam: IamState, arn: string, to: string): Result | undefined {
  const policy = iam.policies.get(arn);
  policy?.attachedTo.add(to);
  return policy && {};
}
