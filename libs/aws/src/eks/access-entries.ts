import { failure, isPlainObject } from '@postern/core';
import { AwsMalformed, AwsNotFound, AwsRefused } from '../call/refusals.ts';
import type { EksAs } from './eks.ts';

/** What lets a principal of IAM into a cluster. */
export interface EksAccessEntry {
  readonly groups: readonly string[];
  readonly tags: ReadonlyMap<string, string>;
  readonly createdAt: Date;
}

/** An access entry to be made. */
export interface NewAccessEntry {
  /** ARN of a role, with its path. */
  readonly principal: string;
  readonly groups: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
}

/** There is an access entry of that principal already. */
export const AccessEntryExists = failure(
  'already_exists',
  'aws.access_entry_exists',
  (principal: string, cluster: string) => `cluster ${cluster} has an access entry for ${principal} already`,
);

/** The access entries of clusters (Amazon EKS API Reference). Each operation sends one request. */
export interface EksAccessEntries {
  /** Undefined when the principal has none. */
  describe(as: EksAs, cluster: string, principal: string): Promise<EksAccessEntry | undefined>;
  /** Throws AccessEntryExists. */
  create(as: EksAs, cluster: string, entry: NewAccessEntry): Promise<void>;
  /** Its groups take the place of those that are there. */
  update(as: EksAs, cluster: string, entry: Pick<NewAccessEntry, 'principal' | 'groups'>): Promise<void>;
  /** False when there was none. */
  delete(as: EksAs, cluster: string, principal: string): Promise<boolean>;
  /** Makes the principal an administrator of the whole cluster, in so far as it has an entry. */
  makeAdmin(as: EksAs, cluster: string, principal: string): Promise<void>;
}

/** A question about a cluster, put in its account and region. */
export interface AccessQuestion {
  readonly action: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: string;
}

type Ask = (as: EksAs, question: AccessQuestion) => Promise<unknown>;

/** The one of Kubernetes' own cluster-admin; AWS manages it. */
const adminPolicy = (partition: string) =>
  `arn:${partition}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy`;
const maxGroups = 500;
const maxTags = 200;

export function accessEntries(ask: Ask): EksAccessEntries {
  const post = (as: EksAs, action: string, path: string, body: object) =>
    ask(as, { action, method: 'POST', path, body: JSON.stringify(body) });
  return {
    async describe(as, cluster, principal) {
      const action = 'eks:DescribeAccessEntry';
      try {
        const answer = await ask(as, { action, method: 'GET', path: pathOf(cluster, principal) });
        const entry = readEntry(answer, principal);
        if (!entry) throw AwsMalformed(action, `${as.account}/${as.region}`, 'it describes no such entry');
        return entry;
      } catch (error) {
        if (AwsNotFound.is(error)) return undefined;
        throw error;
      }
    },
    async create(as, cluster, { principal, groups, tags }) {
      const body = { principalArn: principal, type: 'STANDARD', kubernetesGroups: groups, tags };
      try {
        await post(as, 'eks:CreateAccessEntry', `/clusters/${cluster}/access-entries`, body);
      } catch (error) {
        const exists = AwsRefused.is(error) && error.message.includes('ResourceInUseException');
        throw exists ? AccessEntryExists.from(error, principal, cluster) : error;
      }
    },
    async update(as, cluster, { principal, groups }) {
      const body = { kubernetesGroups: groups };
      await post(as, 'eks:UpdateAccessEntry', pathOf(cluster, principal), body);
    },
    async delete(as, cluster, principal) {
      try {
        await ask(as, {
          action: 'eks:DeleteAccessEntry',
          method: 'DELETE',
          path: pathOf(cluster, principal),
        });
        return true;
      } catch (error) {
        if (AwsNotFound.is(error)) return false;
        throw error;
      }
    },
    async makeAdmin(as, cluster, principal) {
      const body = {
        policyArn: adminPolicy(principal.split(':')[1] ?? 'aws'),
        accessScope: { type: 'cluster' },
      };
      const path = `${pathOf(cluster, principal)}/access-policies`;
      await post(as, 'eks:AssociateAccessPolicy', path, body);
    },
  };
}

function pathOf(cluster: string, principal: string): string {
  return `/clusters/${cluster}/access-entries/${encodeURIComponent(principal)}`;
}

function readEntry(answer: unknown, principal: string): EksAccessEntry | undefined {
  const entry = isPlainObject(answer) ? answer['accessEntry'] : undefined;
  if (!isPlainObject(entry) || entry['principalArn'] !== principal) return undefined;
  const { kubernetesGroups: groups = [], tags = {}, createdAt } = entry;
  if (!Array.isArray(groups) || groups.length > maxGroups || !groups.every(isText)) return undefined;
  if (!isPlainObject(tags)) return undefined;
  const entries = Object.entries(tags);
  if (entries.length > maxTags || !entries.every(([, value]) => isText(value))) return undefined;
  return {
    groups,
    tags: new Map(entries as [string, string][]),
    createdAt: new Date(Number(createdAt) * 1000 || 0),
  };
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
