import type { Clock } from '@postern/core';
import { openAwsLine } from '../call/call-aws.ts';
import { AwsCredentialsExpired, AwsMalformed, AwsNotFound } from '../call/refusals.ts';
import { type ActingAs, openIdentities } from '../identity/identities.ts';
import type { CallerIdentity } from '../identity/caller-identity.ts';
import type { Environment } from '../region.ts';
import { accessEntries, type EksAccessEntries } from './access-entries.ts';
import { eksEndpoint } from './eks-endpoint.ts';
import {
  type EksClusterAccess,
  type EksClusterFacts,
  readAccess,
  readCluster,
  readPage,
} from './read-eks.ts';
import { type EksToken, signEksToken } from './token.ts';

/** An account in a region, and as whom it is asked. */
export interface EksAs extends ActingAs {
  readonly account: string;
}

interface Asking {
  readonly signal?: AbortSignal | undefined;
}

/** EKS of any number of accounts and regions. Every operation sends one request; who wants it again asks again. */
export interface Eks extends AsyncDisposable {
  /** Whose clusters are found: the account of the credentials, or that of the role. */
  who(as: ActingAs): Promise<CallerIdentity>;
  /** A page of names, the first one without a token. */
  listClusters(as: EksAs, asking?: Asking & { readonly after?: string | undefined }): Promise<EksPage>;
  /** Undefined when there is no such cluster. */
  describeCluster(as: EksAs, name: string, asking?: Asking): Promise<EksClusterFacts | undefined>;
  /** Where its API server is, or why that cannot be told; undefined when there is no such cluster. */
  accessTo(as: EksAs, name: string, asking?: Asking): Promise<EksClusterAccess | string | undefined>;
  readonly access: EksAccessEntries;
  /** A bearer token for its API server. Nothing is sent but for credentials, where a role is assumed. */
  token(as: EksAs, name: string): Promise<EksToken>;
}

/** Names of clusters, and the token with which the next ones are asked for, where there are more. */
export interface EksPage {
  readonly names: readonly string[];
  readonly next: string | undefined;
}

export interface EksOptions {
  readonly env: Environment;
  readonly clock: Clock;
  /** For one request, until the end of its answer; 15 seconds where absent. */
  readonly timeoutMs?: number;
}

const pageSize = '100';

/** Opens EKS (https://docs.aws.amazon.com/eks/latest/APIReference). Nothing is sent yet. */
export function openEks({ env, clock, timeoutMs = 15_000 }: EksOptions): Eks {
  const line = openAwsLine(env, clock, timeoutMs);
  const identities = openIdentities({ env, clock, line, session: 'postern-discovery' });

  const ask = async (as: EksAs, question: Question, { signal }: Asking): Promise<unknown> => {
    const request = {
      where: `${as.account}/${as.region}`,
      service: 'eks',
      region: as.region,
      endpoint: eksEndpoint(env, as.region),
      method: 'GET',
      ...question,
      ...(question.body === undefined ? {} : { headers: { 'content-type': 'application/json' } }),
      signal,
    } as const;
    try {
      return await line.call(request, await identities.credentials(as));
    } catch (error) {
      if (!AwsCredentialsExpired.is(error)) throw error;
      // Sessions are revoked, and files renewed, before what is kept of them ends.
      identities.forget(as);
      return line.call(request, await identities.credentials(as));
    }
  };

  const describe = (as: EksAs, name: string, asking: Asking) =>
    described(as, name, (question) => ask(as, question, asking));

  return {
    who: (as) => identities.who(as),
    async listClusters(as, { after, signal } = {}) {
      const action = 'eks:ListClusters';
      const query = { maxResults: pageSize, ...(after === undefined ? {} : { nextToken: after }) };
      const page = readPage(await ask(as, { action, path: '/clusters', query }, { signal }));
      if (!page) throw AwsMalformed(action, `${as.account}/${as.region}`, 'it is no page of names');
      return page;
    },
    async describeCluster(as, name, asking = {}) {
      return (await describe(as, name, asking))?.facts;
    },
    async accessTo(as, name, asking = {}) {
      const found = await describe(as, name, asking);
      return found && readAccess(found.answer);
    },
    access: accessEntries((as, question) => ask(as, question, {})),
    async token(as, name) {
      return signEksToken({ cluster: name, region: as.region }, await identities.credentials(as), clock);
    },
    [Symbol.asyncDispose]: () => line[Symbol.asyncDispose](),
  };
}

/** A cluster as EKS describes it, in an answer that is about it; undefined when there is none. */
async function described(as: EksAs, name: string, ask: (question: Question) => Promise<unknown>) {
  const action = 'eks:DescribeCluster';
  try {
    const answer = await ask({ action, path: `/clusters/${name}` });
    const facts = readCluster(answer, { name, account: as.account, region: as.region });
    if (typeof facts === 'string') throw AwsMalformed(action, `${as.account}/${as.region}`, facts);
    return { answer, facts };
  } catch (error) {
    if (AwsNotFound.is(error)) return undefined;
    throw error;
  }
}

interface Question {
  readonly action: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** GET where absent. */
  readonly method?: 'POST' | 'DELETE' | 'GET';
  readonly body?: string;
}
