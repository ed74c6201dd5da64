import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { IssuedIdentity } from '@postern/contracts';
import { sha256Hex } from '@postern/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { rsaIssuer, tokenOf } from '../src/methods/kubernetes/testing.ts';
import {
  call,
  type ControlPlane,
  joinBody,
  type JoinBody,
  putToken,
  recorded,
  type Replica,
  startControlPlane,
} from './control-plane.ts';
import { type IssuerServer, startIssuer } from './issuer-server.ts';
import { type KubeCluster, namespace, startKubeCluster } from './kube-cluster.ts';

const scope = new AsyncDisposableStack();
const signer = rsaIssuer();
let plane: ControlPlane;
let cluster: KubeCluster;
let issuer: IssuerServer;
let replicas: Replica[];
const allow = [{ service_account: `${namespace}:postern-agent` }];

beforeAll(async () => {
  [plane, cluster, issuer] = await Promise.all([startControlPlane(), startKubeCluster(), startIssuer()]);
  for (const each of [issuer, cluster, plane]) scope.use(each);
  issuer.publish(signer.jwks);
  await cluster.makePod('postern-agent', 'agent-0');
  await cluster.makePod('stranger', 'stranger-0');
  await cluster.makePod('join-svc', 'join-svc-0');
  const account = `--serviceaccount=${namespace}:join-svc`;
  await cluster.kubectl([
    'create',
    'clusterrolebinding',
    'reviewer',
    '--clusterrole=system:auth-delegator',
    account,
  ]);
  const jwks = (await cluster.kubectl(['get', '--raw', '/openid/v1/jwks'])).trim();
  const kubernetes = (block: object) => ({
    roles: ['Kube', 'Discovery'],
    join_method: 'kubernetes',
    kubernetes: { allow, ...block },
  });
  await putToken(plane.views, 'in-cluster', kubernetes({ type: 'in_cluster' }));
  await putToken(plane.views, 'static', kubernetes({ type: 'static_jwks', static_jwks: { jwks } }));
  await putToken(
    plane.views,
    'other-cluster',
    kubernetes({ type: 'static_jwks', static_jwks: { jwks: signer.jwks } }),
  );
  await putToken(plane.views, 'oidc', kubernetes({ type: 'oidc', oidc: { issuer: issuer.url } }));
  await putToken(plane.views, 'by-secret', { roles: ['Kube'], join_method: 'token' });
  const issuerCaFile = join(plane.dataDir, 'issuer-ca.pem');
  await writeFile(issuerCaFile, issuer.ca);
  const settings = { issuerCaFile, issuerAllowLoopback: true, kubeconfigFile: await ownKubeconfig() };
  replicas = await Promise.all([plane.replica(settings), plane.replica(settings), plane.replica(settings)]);
});
afterAll(() => scope.disposeAsync());

/** What join-svc has in a pod of the cluster: its own service account's token. */
async function ownKubeconfig(): Promise<string> {
  const path = join(plane.dataDir, 'kubeconfig');
  const ca = Buffer.from(await readFile(cluster.server.caFile)).toString('base64');
  const token = await cluster.token('join-svc', { pod: 'join-svc-0', duration: '1h' });
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'own',
    clusters: [{ name: 'own', cluster: { server: cluster.server.url, 'certificate-authority-data': ca } }],
    users: [{ name: 'own', user: { token } }],
    contexts: [{ name: 'own', context: { cluster: 'own', user: 'own' } }],
  };
  await writeFile(path, stringify(config), { mode: 0o600 });
  return path;
}

async function joinWith(token: string, name: string, changes: Partial<JoinBody> = {}, replica = 0) {
  const body = await joinBody({ method: 'kubernetes', token: name, proof: { token }, ...changes });
  return call<IssuedIdentity>(replicas[replica]!, '/v1/join', { body });
}

async function whyRefused(
  token: string,
  name: string,
  { code = 'join.refused', ...changes }: Partial<JoinBody> & { readonly code?: string } = {},
): Promise<string> {
  const hostname = `refused-${sha256Hex(token + name + JSON.stringify(changes)).slice(0, 12)}`;
  const reply = await joinWith(token, name, { hostname, ...changes });
  expect(reply.status).toBe(403);
  expect(reply.body).toMatchObject({ code });
  const events = await recorded(replicas[0]!);
  return events.find(({ type, data }) => type === 'JoinRefused' && data['hostname'] === hostname)!.data[
    'reason'
  ] as string;
}

const agentToken = (audience?: string) =>
  cluster.token('postern-agent', { pod: 'agent-0', ...(audience === undefined ? {} : { audience }) });

describe('a pod in the cluster of join-svc', () => {
  test('joins by its token, and what it proved is recorded', async () => {
    const { status, body } = await joinWith(await agentToken('postern'), 'in-cluster');
    expect(status).toBe(200);
    const joined = (await recorded(replicas[0]!)).find(({ stream }) => stream === `agent/${body.agentId}`);
    expect(joined?.data).toMatchObject({
      method: 'kubernetes',
      token: 'in-cluster',
      attributes: {
        kubernetes_type: 'in_cluster',
        kubernetes_namespace: namespace,
        kubernetes_service_account: 'postern-agent',
        kubernetes_pod: 'agent-0',
      },
    });
  });

  test('joins by the token that every pod has', async () => {
    expect((await joinWith(await agentToken(), 'in-cluster')).status).toBe(200);
  });

  test('of another account is refused', async () => {
    const token = await cluster.token('stranger', { pod: 'stranger-0', audience: 'postern' });
    expect(await whyRefused(token, 'in-cluster')).toContain(
      'no allow rule has service_account agents:stranger',
    );
  });

  test('is refused with a token for somebody else (J-03)', async () => {
    expect(await whyRefused(await agentToken('vault'), 'in-cluster')).toContain('in_cluster');
  });

  test('is refused with a token of no pod (J-05)', async () => {
    const token = await cluster.token('postern-agent', { audience: 'postern' });
    expect(await whyRefused(token, 'in-cluster')).toContain('not bound to a pod');
  });

  test('is refused with a token that its cluster did not sign', async () => {
    expect(await whyRefused(tokenOf(signer), 'in-cluster')).toContain('kubernetes failed to validate token');
  });

  test('is refused when the pod is gone (J-08)', async () => {
    await cluster.makePod('postern-agent', 'agent-gone');
    const token = await cluster.token('postern-agent', { pod: 'agent-gone', audience: 'postern' });
    await cluster.kubectl(['delete', 'pod', 'agent-gone', '--grace-period=0', '--force']);
    // API servers remember a token that they verified for a while, but they have not seen this one.
    expect(await whyRefused(token, 'in-cluster')).toContain('kubernetes failed to validate token');
  });
});

describe('a pod of a cluster whose keys the token lists', () => {
  test('joins by a token for us', async () => {
    expect((await joinWith(await agentToken('postern'), 'static')).status).toBe(200);
  });

  test('is refused with the token that every pod has (J-03)', async () => {
    expect(await whyRefused(await agentToken(), 'static')).toContain('unexpected "aud"');
  });

  test('is refused with a token of another cluster with the same accounts (J-04)', async () => {
    const own = await agentToken('postern');
    expect(await whyRefused(own, 'other-cluster')).toContain(
      'static_jwks joining requires a token that verifies',
    );
    const foreign = tokenOf(signer, { sub: `system:serviceaccount:${namespace}:postern-agent` });
    expect(await whyRefused(foreign, 'static')).toContain(
      'static_jwks joining requires a token that verifies',
    );
  });
});

describe('a pod of a cluster with a public issuer', () => {
  const issued = (changes: object = {}) =>
    tokenOf(signer, {
      iss: issuer.url,
      sub: `system:serviceaccount:${namespace}:postern-agent`,
      'kubernetes.io': { namespace, pod: { name: 'a', uid: 'u' }, serviceaccount: { name: 'postern-agent' } },
      iat: Math.floor(Date.now() / 1000) - 5,
      nbf: Math.floor(Date.now() / 1000) - 5,
      exp: Math.floor(Date.now() / 1000) + 600,
      jti: crypto.randomUUID(),
      ...changes,
    });

  test('joins by a token for us', async () => {
    expect((await joinWith(issued(), 'oidc')).status).toBe(200);
  });

  test('is refused with a token of another issuer, which costs the issuer nothing', async () => {
    const before = issuer.asked.length;
    expect(await whyRefused(issued({ iss: 'https://elsewhere' }), 'oidc')).toContain('of another issuer');
    expect(issuer.asked.length).toBe(before);
  });

  test('learns that it may try again when the issuer does not answer, and no more', async () => {
    await putToken(plane.views, 'silent', {
      roles: ['Kube'],
      join_method: 'kubernetes',
      kubernetes: { allow, type: 'oidc', oidc: { issuer: 'https://127.0.0.1:1' } },
    });
    const { status, body } = await joinWith(issued({ iss: 'https://127.0.0.1:1' }), 'silent');
    expect({ status, body }).toMatchObject({ status: 503, body: { code: 'join.issuer_unavailable' } });
    expect(JSON.stringify(body)).not.toContain('127.0.0.1');
  });

  test('makes one agent with one token, however often and wherever it shows it (J-07, J-18)', async () => {
    const token = issued();
    const replies = await Promise.all(
      Array.from({ length: 30 }, (_, at) => joinWith(token, 'oidc', {}, at % replicas.length)),
    );
    const ids = replies.filter(({ status }) => status === 200).map(({ body }) => body.agentId);
    expect(ids).toHaveLength(1);
    expect(replies.filter(({ status }) => status === 403)).toHaveLength(29);
    expect(await whyRefused(token, 'oidc')).toContain('used by another join');
  });

  test('gets the same agent again when the answer was lost (J-07)', async () => {
    const token = issued();
    const body = await joinBody({ method: 'kubernetes', token: 'oidc', proof: { token } });
    const first = await call<IssuedIdentity>(replicas[0]!, '/v1/join', { body });
    const again = await call<IssuedIdentity>(replicas[1]!, '/v1/join', { body });
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(again.body.agentId).toBe(first.body.agentId);
  });

  test('makes one agent for each of its services', async () => {
    const token = issued();
    const kube = await joinWith(token, 'oidc', { roles: ['Kube'] });
    const discovery = await joinWith(token, 'oidc', { roles: ['Discovery'] });
    expect([kube.status, discovery.status]).toEqual([200, 200]);
    expect(await whyRefused(token, 'oidc', { roles: ['Kube', 'Discovery'] })).toContain(
      'used by another join',
    );
  });
});

describe('a proof', () => {
  test.each([
    ['that is empty', {}],
    ['that is no JWT', { token: 'x' }],
    ['that is encrypted (J-10)', { token: 'a.b.c.d.e' }],
    ['of 9 KiB', { token: `a.${'b'.repeat(9 * 1024)}.c` }],
    ['with more in it', { token: 'a.b.c', x: 1 }],
  ])('%s is refused before anybody is asked', async (_, proof) => {
    const before = issuer.asked.length;
    expect(await whyRefused(JSON.stringify(proof), 'oidc', { proof })).toContain('malformed');
    expect(issuer.asked.length).toBe(before);
  });

  test('of a service account does not fit a token of another method', async () => {
    expect(await whyRefused(await agentToken(), 'by-secret')).toBe('the token is for the method token');
  });

  test('never gives more roles than its token (J-14)', async () => {
    const token = await agentToken('postern');
    for (const roles of [['Kube', 'Auth'], ['Proxy'], ['Admin']]) {
      const code = 'join.not_allowed_by_token';
      const reason = await whyRefused(token, 'in-cluster', { roles, code });
      expect(reason).toContain('does not allow the role');
    }
  });
});

test('no token of a service account is in an event or in a log (J-16)', async () => {
  const token = await agentToken('postern');
  await joinWith(token, 'in-cluster');
  const [, payload = '', signature = ''] = token.split('.');
  const everything = JSON.stringify(await recorded(replicas[0]!)) + plane.telemetry.lines.join('\n');
  expect(everything).not.toContain(payload);
  expect(everything).not.toContain(signature);
});
