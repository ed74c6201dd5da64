import type { AwsAccounts, AwsPrincipal } from './accounts.ts';
import type { KubeIdentity } from './eks-authenticator.ts';
import type { EksPlace, EksState } from './eks-state.ts';

/** What lets a principal of IAM into a cluster. */
export interface AccessEntry {
  readonly principalArn: string;
  readonly groups: readonly string[];
  readonly username: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly createdAt: Date;
  /** ARNs of access policies, all for the whole cluster. */
  readonly policies: readonly string[];
}

/** Of a cluster, by its place and name. */
export interface ClusterPlace extends EksPlace {
  readonly cluster: string;
}

/** The access entries of a little EKS. */
export class AccessEntries {
  /** How long after a change an API server goes by what was before, as those of AWS do for seconds. */
  settleMs = 0;
  readonly #clusters = new Map<string, Map<string, AccessEntry & { readonly changedAt: number }>>();

  of(place: ClusterPlace): readonly AccessEntry[] {
    return [...this.#at(place).values()];
  }

  find(place: ClusterPlace, principalArn: string): AccessEntry | undefined {
    return this.#at(place).get(principalArn);
  }

  put(place: ClusterPlace, entry: Partial<AccessEntry> & Pick<AccessEntry, 'principalArn'>): AccessEntry {
    const known = this.find(place, entry.principalArn);
    const name = entry.principalArn.split('/').at(-1);
    const full = {
      groups: [],
      username: `arn:aws:sts::${place.account}:assumed-role/${name}/{{SessionName}}`,
      tags: {},
      createdAt: new Date(),
      policies: [],
      ...known,
      ...entry,
      changedAt: Date.now(),
    };
    this.#at(place).set(entry.principalArn, full);
    return full;
  }

  remove(place: ClusterPlace, principalArn: string): boolean {
    return this.#at(place).delete(principalArn);
  }

  /** Who a principal is in a cluster. The policy of cluster administrators is as good as their group. */
  identityOf(place: ClusterPlace, accounts: AwsAccounts, principal: AwsPrincipal): KubeIdentity | undefined {
    const [, name, session = ''] = principal.arn.split('/');
    const arn = [...accounts.roles.values()].find(
      (role) => role.arn.split(':')[4] === principal.account && role.arn.endsWith(`/${name}`),
    )?.arn;
    const entry = this.#at(place).get(arn ?? principal.arn);
    if (!entry || Date.now() - entry.changedAt < this.settleMs) return undefined;
    const isAdmin = entry.policies.some((policy) => policy.endsWith('/AmazonEKSClusterAdminPolicy'));
    return {
      username: entry.username.replace('{{SessionName}}', session),
      groups: [...entry.groups, ...(isAdmin ? ['system:masters'] : [])],
    };
  }

  #at({ account, region, cluster }: ClusterPlace) {
    const key = `${account}/${region}/${cluster}`;
    const there = this.#clusters.get(key) ?? new Map<string, AccessEntry & { readonly changedAt: number }>();
    this.#clusters.set(key, there);
    return there;
  }
}

/** A request about access entries, as it is understood. */
export interface AccessQuestion extends ClusterPlace {
  readonly action: string;
  /** In the path. */
  readonly principalArn: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What is answered: a body, which may be empty, or a refusal. */
export type AccessAnswer =
  | { readonly body: Readonly<Record<string, unknown>> | undefined }
  | { readonly status: number; readonly code: string; readonly message: string };

const conflict = (message: string) => ({ status: 409, code: 'ResourceInUseException', message });
const invalid = (message: string) => ({ status: 400, code: 'InvalidParameterException', message });

/** Which operation a method and the rest of a path below a cluster are (Amazon EKS API Reference). */
export function accessAction(
  method: string,
  rest: readonly string[],
): { readonly action: string; readonly principalArn: string } | undefined {
  const [entries, principal, policies, ...more] = rest;
  if (entries !== 'access-entries' || more.length > 0) return undefined;
  const principalArn = decodeURIComponent(principal ?? '');
  if (principal === undefined)
    return method === 'POST' ? { action: 'CreateAccessEntry', principalArn } : undefined;
  if (policies === 'access-policies')
    return method === 'POST' ? { action: 'AssociateAccessPolicy', principalArn } : undefined;
  const actions = { GET: 'DescribeAccessEntry', POST: 'UpdateAccessEntry', DELETE: 'DeleteAccessEntry' };
  const action = policies === undefined ? actions[method as keyof typeof actions] : undefined;
  return action === undefined ? undefined : { action, principalArn };
}

/** Answers an operation on access entries. */
export function answerAccess(question: AccessQuestion, eks: EksState, accounts: AwsAccounts): AccessAnswer {
  const { action, cluster, body } = question;
  const found = eks.clustersOf(question).find(({ name }) => name === cluster);
  if (!found)
    return {
      status: 404,
      code: 'ResourceNotFoundException',
      message: `No cluster found for name: ${cluster}.`,
    };
  if ((found.authenticationMode ?? 'API_AND_CONFIG_MAP') === 'CONFIG_MAP')
    return {
      status: 400,
      code: 'InvalidRequestException',
      message: "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP]",
    };
  if (action === 'CreateAccessEntry') return create(question, body, { eks, accounts });
  const entry = eks.access.find(question, question.principalArn);
  if (!entry)
    return {
      status: 404,
      code: 'ResourceNotFoundException',
      message: `The specified principalArn could not be found: ${question.principalArn}.`,
    };
  return changes[action]!(question, entry, eks);
}

function create(
  place: ClusterPlace,
  body: AccessQuestion['body'],
  { eks, accounts }: { readonly eks: EksState; readonly accounts: AwsAccounts },
): AccessAnswer {
  const { principalArn, kubernetesGroups, tags, username } = body as {
    principalArn: string;
    kubernetesGroups?: string[];
    tags?: Record<string, string>;
    username?: string;
  };
  if (!accounts.roles.has(principalArn))
    return invalid('The specified principalArn is invalid: it does not exist.');
  if (eks.access.find(place, principalArn))
    return conflict('The specified access entry resource is already in use on this cluster.');
  if (kubernetesGroups?.some((group) => /^(system:|eks:|aws:|amazon:|iam:)/.test(group)))
    return invalid('The kubernetes group name is reserved.');
  const entry = eks.access.put(place, {
    principalArn,
    groups: kubernetesGroups ?? [],
    tags: tags ?? {},
    ...(username ? { username } : {}),
  });
  return { body: shown(place, entry) };
}

const changes: Readonly<
  Record<string, (question: AccessQuestion, entry: AccessEntry, eks: EksState) => AccessAnswer>
> = {
  DescribeAccessEntry: (place, entry) => ({ body: shown(place, entry) }),
  // The groups that are given take the place of those that were there.
  UpdateAccessEntry: (place, { principalArn }, eks) => {
    const groups = place.body['kubernetesGroups'] as string[];
    return { body: shown(place, eks.access.put(place, { principalArn, groups })) };
  },
  DeleteAccessEntry: (place, { principalArn }, eks) => {
    eks.access.remove(place, principalArn);
    return { body: undefined };
  },
  AssociateAccessPolicy: (place, { principalArn, policies }, eks) => {
    const policyArn = String(place.body['policyArn']);
    if (!policyArn.startsWith('arn:aws:eks::aws:cluster-access-policy/')) return invalid('unknown policy');
    eks.access.put(place, { principalArn, policies: [...new Set([...policies, policyArn])] });
    return {
      body: { clusterName: place.cluster, principalArn, associatedAccessPolicy: { policyArn } },
    };
  },
};

function shown({ account, region, cluster }: ClusterPlace, entry: AccessEntry) {
  const { principalArn, groups, username, tags, createdAt } = entry;
  const name = principalArn.split('/').at(-1);
  return {
    accessEntry: {
      clusterName: cluster,
      principalArn,
      kubernetesGroups: groups,
      accessEntryArn: `arn:aws:eks:${region}:${account}:access-entry/${cluster}/role/${account}/${name}/0c0ffee`,
      createdAt: createdAt.getTime() / 1000,
      modifiedAt: createdAt.getTime() / 1000,
      tags,
      username,
      type: 'STANDARD',
    },
  };
}
