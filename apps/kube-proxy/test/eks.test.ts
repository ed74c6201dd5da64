import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agentClusterRole, agentGroupBinding } from '@postern/kube';
import { type KubeApiServer, startKubeApiServer } from '@postern/lab';
import {
  type AwsRig,
  type EksAuthenticator,
  EksState,
  type KubeIdentity,
  sessionOf,
  startAws,
  startEksAuthenticator,
} from '@postern/testkit';
import { Agent, request } from 'undici';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { startEchoApiServer } from './support/echo-api-server.ts';
import { at, everythingAllowed, raw, type Rig, startRig } from './support/rig.ts';

const account = '111111111111';
const region = 'eu-west-1';
const place = { account, region };
const agents: KubeIdentity = { username: 'postern', groups: ['teleport:kube-service:eks'] };
const ownRole = { arn: `arn:aws:iam::${account}:role/kube-agents`, id: 'AROAKUBEAGENTS' };
const otherRole = { arn: `arn:aws:iam::${account}:role/prod-only`, id: 'AROAPRODONLY', externalId: 'ours' };

const dir = mkdtempSync(join(tmpdir(), 'postern-eks-'));
/** Which roles the cluster knows, by name. */
const entries = new Set<string>();
let aws: AwsRig;
let authenticator: EksAuthenticator;
let server: KubeApiServer;
let rig: Rig;

beforeAll(async () => {
  aws = await startAws();
  authenticator = await startEksAuthenticator({
    accounts: aws.accounts,
    clock: () => aws.clock(),
    cluster: 'blue',
    entryOf: ({ arn }) => (entries.has(arn.split('/')[1] ?? '') ? agents : undefined),
  });
  const { apiServerArgs } = authenticator;
  server = await startKubeApiServer({ dir: join(dir, 'kube'), durable: false, apiServerArgs });
  const path = '/apis/rbac.authorization.k8s.io/v1';
  await asAdmin(`${path}/clusterroles`, agentClusterRole('teleport'));
  await asAdmin(`${path}/clusterrolebindings`, agentGroupBinding('teleport', agents.groups[0]!));
  const viewer = agentGroupBinding('viewers', 'viewers');
  await asAdmin(`${path}/clusterrolebindings`, {
    ...viewer,
    roleRef: { ...viewer.roleRef, name: 'cluster-admin' },
  });
}, 180_000);

afterAll(async () => {
  await server?.stop();
  await authenticator?.[Symbol.asyncDispose]();
  await aws[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

beforeEach(async () => {
  Object.assign(aws, { eks: new EksState() });
  entries.clear();
  for (const name of Object.keys(process.env).filter((each) => each.startsWith('AWS_')))
    vi.stubEnv(name, undefined);
  const variables = aws.accounts.variablesOf(sessionOf(ownRole, 'i-1'));
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
  aws.accounts.roles.set(otherRole.arn, otherRole);
  rig = await startRig({
    eks: {
      matchers: [
        { labels: { env: ['prod'] }, assumeRoleArn: otherRole.arn, externalId: 'ours' },
        { labels: { '*': ['*'] }, assumeRoleArn: undefined, externalId: undefined },
      ],
      env: { AWS_ENDPOINT_URL_STS: aws.stsUrl, AWS_ENDPOINT_URL_EKS: aws.eksUrl },
    },
  });
  rig.role('viewer', { allow: { ...everythingAllowed, kubernetes_groups: ['viewers'] } });
  rig.user('alice', ['viewer']);
});

afterEach(async () => {
  await rig[Symbol.asyncDispose]();
  vi.unstubAllEnvs();
});

async function asAdmin(path: string, object: object): Promise<void> {
  const connect = {
    ca: readFileSync(server.caFile, 'utf8'),
    cert: readFileSync(server.admin.cert),
    key: readFileSync(server.admin.key),
  };
  const dispatcher = new Agent({ connect });
  const headers = { 'content-type': 'application/json' };
  const reply = await request(`${server.url}${path}`, {
    dispatcher,
    method: 'POST',
    headers,
    body: JSON.stringify(object),
  });
  expect(reply.statusCode).toBe(201);
  await dispatcher.close();
}

/** What EKS says of the API server. */
const atServer = () => ({
  endpoint: server.url,
  certificateAuthority: readFileSync(server.caFile).toString('base64'),
});

/** Registers the cluster as discovery does. */
function register(labels: Record<string, string> = {}): void {
  const spec = { aws: { region, account_id: account, name: 'blue' } };
  rig.resources.put({ kind: 'kube_cluster', version: 'v3', metadata: { name: 'blue-1', labels }, spec });
}

const conditionNow = () => rig.kube.role.clusters.report()[0]?.condition?.state;

/** What alice, who may see pods, gets from the cluster. */
async function listPods(): Promise<string> {
  const alice = await rig.pki.person('alice');
  const path = at('blue-1', '/api/v1/namespaces/default/pods');
  return raw(rig, alice, `GET ${path} HTTP/1.1\r\nHost: edge\r\n\r\n`);
}

describe('a cluster of EKS', () => {
  test('is served where EKS says it is, with tokens of this process’s role', async () => {
    entries.add('kube-agents');
    aws.eks.put(place, { name: 'blue', ...atServer() });
    register();
    await expect.poll(conditionNow, { timeout: 15_000 }).toBe('healthy');
    const answer = await listPods();
    expect(answer).toContain('HTTP/1.1 200');
    expect(answer).toContain('"kind":"PodList"');
  });

  test('is served in the role of the first item of the configuration that matches it', async () => {
    entries.add('prod-only');
    aws.eks.put(place, { name: 'blue', ...atServer() });
    register({ env: 'prod' });
    await expect.poll(conditionNow, { timeout: 15_000 }).toBe('healthy');
    expect(await listPods()).toContain('HTTP/1.1 200');
    expect(new Set(aws.eks.calls.map(({ by }) => by))).toEqual(
      new Set([`arn:aws:sts::${account}:assumed-role/prod-only/postern-discovery`]),
    );
  });

  test('that does not know the role is unhealthy, and well as soon as it does', async () => {
    aws.eks.put(place, { name: 'blue', ...atServer() });
    register();
    await expect.poll(conditionNow, { timeout: 15_000 }).toBe('unhealthy');
    entries.add('kube-agents');
    await expect.poll(conditionNow, { timeout: 30_000 }).toBe('healthy');
  });

  test('that may not be described is served when it may', async () => {
    entries.add('kube-agents');
    aws.eks.put(place, { name: 'blue', ...atServer() });
    aws.eks.denies = (_, { action }) => action === 'DescribeCluster';
    register();
    await expect.poll(() => aws.eks.count('DescribeCluster'), { timeout: 10_000 }).toBeGreaterThan(1);
    expect(rig.kube.role.clusters.has('blue-1')).toBe(false);
    aws.eks.denies = () => false;
    await expect.poll(conditionNow, { timeout: 15_000 }).toBe('healthy');
  });

  test('stays served while EKS does not answer', async () => {
    entries.add('kube-agents');
    aws.eks.put(place, { name: 'blue', ...atServer() });
    register();
    await expect.poll(conditionNow, { timeout: 15_000 }).toBe('healthy');
    aws.eks.misbehave = () => (response) => response.writeHead(503).end();
    await rig.kube.role.clusters.find('blue-1')!.server.credentials.refresh();
    expect(await listPods()).toContain('HTTP/1.1 200');
  });

  test('that was made anew under its name is followed to where it is now', async () => {
    const echo = await startEchoApiServer();
    entries.add('kube-agents');
    aws.eks.put(place, {
      name: 'blue',
      endpoint: echo.url,
      certificateAuthority: Buffer.from(echo.ca).toString('base64'),
    });
    register();
    await expect.poll(conditionNow, { timeout: 15_000 }).toBe('healthy');
    aws.eks.put(place, { name: 'blue', ...atServer() });
    await echo[Symbol.asyncDispose]();
    await rig.kube.role.clusters.find('blue-1')!.server.credentials.refresh();
    await expect.poll(listPods, { timeout: 30_000 }).toContain('"kind":"PodList"');
  });

  test.each([
    'https://169.254.169.254',
    'https://attacker.test',
    'https://0123.gr7.eu-west-1.eks.amazonaws.com.attacker.test',
    'https://0123.gr7.us-east-1.eks.amazonaws.com',
  ])('is not looked for at %s, whatever EKS seems to say (D-05)', async (endpoint) => {
    aws.eks.put(place, { name: 'blue', ...atServer(), endpoint });
    register();
    await expect.poll(() => aws.eks.count('DescribeCluster'), { timeout: 10_000 }).toBeGreaterThan(1);
    expect(rig.kube.role.clusters.has('blue-1')).toBe(false);
  });
});
