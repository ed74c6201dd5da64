import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AwsAccounts, AwsPrincipal } from './accounts.ts';
import { verifySignature } from './signature.ts';

/** Who somebody is in a cluster. */
export interface KubeIdentity {
  readonly username: string;
  readonly groups: readonly string[];
}

/** What the authenticator of a cluster knows. */
export interface EksAuthenticatorState {
  readonly accounts: AwsAccounts;
  readonly clock: () => Date;
  /** The name that EKS knows the cluster by. */
  readonly cluster: string;
  /** Who a principal is in the cluster, by its access entries; undefined for nobody. */
  readonly entryOf: (principal: AwsPrincipal) => KubeIdentity | undefined;
}

/** Parameters that a token may have, and no other (aws-iam-authenticator). */
const known = new Set(
  `action version x-amz-algorithm x-amz-credential x-amz-date x-amz-expires x-amz-security-token x-amz-signature
  x-amz-signedheaders`.split(/\s+/),
);
const prefix = 'k8s-aws-v1.';

/** An authenticator that runs, for the API server of one cluster. */
export interface EksAuthenticator extends AsyncDisposable {
  /** With these kube-apiserver asks it about every bearer token that it does not know itself. */
  readonly apiServerArgs: readonly string[];
}

/** Starts what EKS has beside each of its API servers. */
export async function startEksAuthenticator(state: EksAuthenticatorState): Promise<EksAuthenticator> {
  const server = createServer((request, response) => void answerTokenReview(request, response, state));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const folder = mkdtempSync(join(tmpdir(), 'postern-eks-'));
  const file = join(folder, 'webhook.json');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  writeFileSync(file, JSON.stringify(kubeconfigOf(url)));
  return {
    apiServerArgs: [
      `--authentication-token-webhook-config-file=${file}`,
      '--authentication-token-webhook-version=v1',
      // Entries of the cluster change while a test looks on.
      '--authentication-token-webhook-cache-ttl=0s',
    ],
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true });
    },
  };
}

function kubeconfigOf(server: string) {
  const name = 'eks';
  return {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server } }],
    users: [{ name, user: {} }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  };
}

/** Answers the TokenReviews of an API server as EKS does (authentication.k8s.io/v1, or v1beta1 as it was asked). */
async function answerTokenReview(
  request: IncomingMessage,
  response: ServerResponse,
  state: EksAuthenticatorState,
): Promise<void> {
  const asked = JSON.parse(Buffer.concat(await request.toArray()).toString('utf8'));
  const { apiVersion, spec } = asked as { apiVersion: string; spec: { token: string } };
  const user = whoSigned(spec.token, state);
  const status = user
    ? { authenticated: true, user: { username: user.username, groups: user.groups } }
    : { authenticated: false };
  response
    .writeHead(200, { 'content-type': 'application/json' })
    .end(JSON.stringify({ apiVersion, kind: 'TokenReview', status }));
}

/** Whom EKS takes the bearer of a token for; undefined where it is not accepted. */
export function whoSigned(token: string, state: EksAuthenticatorState): KubeIdentity | undefined {
  const { accounts, clock, cluster, entryOf } = state;
  const url = URL.parse(Buffer.from(token.slice(prefix.length), 'base64url').toString('utf8'));
  if (!token.startsWith(prefix) || token.endsWith('=') || !url) return undefined;
  const region = /^sts\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$/.exec(url.host)?.[1];
  const { searchParams: query } = url;
  const isAsked = url.protocol === 'https:' && url.pathname === '/' && region !== undefined;
  const isForCaller = query.get('Action') === 'GetCallerIdentity' && isAsked;
  if (!isForCaller || [...query.keys()].some((name) => !known.has(name.toLowerCase()))) return undefined;
  if (!(query.get('X-Amz-SignedHeaders') ?? '').split(';').includes('x-k8s-aws-id')) return undefined;
  const signer = verifySignature(
    {
      method: 'GET',
      target: `${url.pathname}${url.search}`,
      headers: { host: url.host, 'x-k8s-aws-id': cluster },
      body: '',
    },
    { keys: accounts.keys, service: 'sts', region, at: clock() },
  );
  return 'code' in signer ? undefined : entryOf(accounts.ownerOf(signer));
}
