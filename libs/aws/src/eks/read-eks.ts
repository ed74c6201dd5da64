import { isPlainObject } from '@postern/core';
import type { EksPage } from './eks.ts';

/** What is known of a cluster of EKS. */
export interface EksClusterFacts {
  readonly name: string;
  readonly account: string;
  readonly region: string;
  /** As AWS spells it: `ACTIVE`, `CREATING`, … */
  readonly status: string;
  /** When it was made: two clusters of one name, one after the other, are two. */
  readonly createdAt: Date;
  /** In any order; keys and values are whatever somebody wrote. */
  readonly tags: ReadonlyMap<string, string>;
}

/** Where the API server of a cluster is. */
export interface EksClusterAccess {
  readonly endpoint: string;
  /** Certificates of its authority, PEM. */
  readonly certificateAuthority: string;
  /** `API`, `API_AND_CONFIG_MAP` or `CONFIG_MAP`; the last where EKS does not say. */
  readonly authenticationMode: string;
}

const maxCertificateLength = 64 * 1024;
const namePattern = /^[0-9A-Za-z][0-9A-Za-z_-]{0,99}$/;
const maxTokenLength = 4_096;
const maxTags = 200;

/** A page of ListClusters, or nothing where it is not one. */
export function readPage(answer: unknown): EksPage | undefined {
  if (!isPlainObject(answer)) return undefined;
  const { clusters, nextToken } = answer;
  if (!Array.isArray(clusters) || !clusters.every(isName)) return undefined;
  if (nextToken === undefined || nextToken === null) return { names: clusters, next: undefined };
  const isToken = typeof nextToken === 'string' && nextToken !== '' && nextToken.length <= maxTokenLength;
  return isToken ? { names: clusters, next: nextToken } : undefined;
}

/** The cluster of an answer to DescribeCluster, if it is the one that was asked about; otherwise what is wrong with it. */
export function readCluster(
  answer: unknown,
  asked: Pick<EksClusterFacts, 'name' | 'account' | 'region'>,
): EksClusterFacts | string {
  const cluster = isPlainObject(answer) ? answer['cluster'] : undefined;
  if (!isPlainObject(cluster)) return 'it describes no cluster';
  const { arn, name, status, tags, createdAt } = cluster;
  const [, , service, region, account, resource] = typeof arn === 'string' ? arn.split(':') : [];
  const isIt = service === 'eks' && resource === `cluster/${asked.name}` && name === asked.name;
  if (!isIt || region !== asked.region || account !== asked.account)
    return 'it describes another cluster, region or account';
  if (typeof status !== 'string' || !/^[A-Z_]{1,40}$/.test(status)) return 'it tells no status';
  const read = readTags(tags);
  if (!read) return 'its tags are not texts';
  return { ...asked, status, createdAt: new Date(Number(createdAt) * 1000 || 0), tags: read };
}

/** Where the API server of a described cluster is, or why that cannot be told. */
export function readAccess(answer: unknown): EksClusterAccess | string {
  const cluster = isPlainObject(answer) ? answer['cluster'] : undefined;
  if (!isPlainObject(cluster)) return 'EKS describes no cluster';
  const { endpoint, certificateAuthority, accessConfig, status } = cluster;
  const mode = isPlainObject(accessConfig) ? accessConfig['authenticationMode'] : undefined;
  const data = isPlainObject(certificateAuthority) ? certificateAuthority['data'] : undefined;
  if (typeof endpoint !== 'string' || typeof data !== 'string' || data.length > maxCertificateLength)
    return `it has no endpoint at this time, its status is ${String(status).slice(0, 40)}`;
  const pem = Buffer.from(data, 'base64').toString('latin1');
  return pem.includes('-----BEGIN CERTIFICATE-----')
    ? {
        endpoint,
        certificateAuthority: pem,
        authenticationMode: typeof mode === 'string' ? mode : 'CONFIG_MAP',
      }
    : 'EKS tells no certificate of its authority';
}

function readTags(tags: unknown): ReadonlyMap<string, string> | undefined {
  if (tags === undefined || tags === null) return new Map();
  if (!isPlainObject(tags)) return undefined;
  const entries = Object.entries(tags);
  const areTexts = entries.length <= maxTags && entries.every(([, value]) => typeof value === 'string');
  return areTexts ? new Map(entries as [string, string][]) : undefined;
}

function isName(name: unknown): name is string {
  return typeof name === 'string' && namePattern.test(name);
}
