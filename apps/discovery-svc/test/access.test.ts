import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Eks, openEks, signEksToken } from '@postern/aws';
import { type KubeApiServer, locateKubectl, startKubeApiServer } from '@postern/lab';
import { silentTelemetry } from '@postern/telemetry';
import {
  type AwsRig,
  type EksAuthenticator,
  type EksCluster,
  eksMisbehaviours,
  EksState,
  sessionOf,
  startAws,
  startEksAuthenticator,
} from '@postern/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { agentGroup } from '../src/access/entry-tags.ts';
import { removeAccess } from '../src/access/remove-access.ts';
import { type AccessDeps, type AccessTarget, setUpAccess } from '../src/access/set-up-access.ts';

const account = '111111111111';
const region = 'eu-west-1';
const place = { account, region };
const blue = { ...place, cluster: 'blue' };
const scanner = { arn: `arn:aws:iam::${account}:role/scanner`, id: 'AROASCANNER' };
const agents = { arn: `arn:aws:iam::${account}:role/path/agents`, id: 'AROAAGENTS' };
const target: AccessTarget = { as: place, cluster: 'blue', group: 'prod', principal: agents.arn };
const writes = ['CreateAccessEntry', 'UpdateAccessEntry', 'DeleteAccessEntry', 'AssociateAccessPolicy'];
const admin = 'arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy';

const dir = mkdtempSync(join(tmpdir(), 'postern-access-'));
const telemetry = silentTelemetry();
let aws: AwsRig;
let authenticator: EksAuthenticator;
let server: KubeApiServer;
let kubectl: string;
let eks: Eks;

beforeAll(async () => {
  aws = await startAws();
  authenticator = await startEksAuthenticator({
    accounts: aws.accounts,
    clock: () => aws.clock(),
    cluster: 'blue',
    entryOf: (principal) => aws.eks.access.identityOf(blue, aws.accounts, principal),
  });
  const { apiServerArgs } = authenticator;
  server = await startKubeApiServer({ dir: join(dir, 'kube'), durable: false, apiServerArgs });
  kubectl = (await locateKubectl()) ?? 'kubectl';
}, 180_000);

afterAll(async () => {
  await server?.stop();
  await authenticator?.[Symbol.asyncDispose]();
  await aws[Symbol.asyncDispose]();
  await telemetry[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

beforeEach(async () => {
  Object.assign(aws, { eks: new EksState() });
  for (const name of Object.keys(process.env).filter((each) => each.startsWith('AWS_')))
    vi.stubEnv(name, undefined);
  for (const role of [scanner, agents]) aws.accounts.roles.set(role.arn, role);
  const variables = aws.accounts.variablesOf(sessionOf(scanner, 'i-1'));
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
  const env = { AWS_ENDPOINT_URL_STS: aws.stsUrl, AWS_ENDPOINT_URL_EKS: aws.eksUrl };
  eks = openEks({ env, clock: () => new Date(), timeoutMs: 700 });
  putCluster();
  const rights = ['clusterrole/teleport', 'clusterrolebinding/teleport'];
  await run(['--kubeconfig', server.kubeconfig, 'delete', '--ignore-not-found', ...rights]);
}, 30_000);

afterEach(async () => {
  await eks[Symbol.asyncDispose]();
  vi.unstubAllEnvs();
});

function putCluster(change: Partial<EksCluster> = {}): void {
  const certificateAuthority = readFileSync(server.caFile).toString('base64');
  aws.eks.put(place, { name: 'blue', endpoint: server.url, certificateAuthority, ...change });
}

function run(args: readonly string[]): Promise<{ readonly out: string; readonly ok: boolean }> {
  return new Promise((resolve) => {
    const env = { HOME: dir, PATH: process.env['PATH'] };
    execFile(kubectl, ['--request-timeout=20s', ...args], { env }, (error, out, err) =>
      resolve({ out: out + err, ok: error === null }),
    );
  });
}

/** Asks the API server with kubectl and a token of a role, as EKS lets it in at this moment. */
async function mayAs(role: typeof agents, verb: string, resource: string): Promise<boolean> {
  const key = aws.accounts.issueKey(sessionOf(role, 'check'), { isTemporary: true });
  const { token } = await signEksToken({ cluster: 'blue', region }, key, () => new Date());
  const where = ['--server', server.url, '--certificate-authority', server.caFile, '--token', token];
  return (await run([...where, 'auth', 'can-i', verb, resource])).ok;
}

const deps = (over: Partial<AccessDeps> = {}): AccessDeps => ({
  eks,
  clock: () => new Date(),
  log: telemetry.log,
  rules: { mayConnect: () => true },
  allowLoopback: true,
  settle: { everyMs: 50, forMs: 3000 },
  endRetryMs: 10,
  ...over,
});

const entryOf = (role: { readonly arn: string }) => aws.eks.access.find(blue, role.arn);
const written = () =>
  aws.eks.calls.filter(({ action }) => writes.includes(action)).map(({ action }) => action);

describe('access to a cluster is set up', () => {
  test('for the role of the agents, who may then do what they need and no more (D-08)', async () => {
    expect(await mayAs(agents, 'impersonate', 'users')).toBe(false);
    expect(await setUpAccess(deps(), target)).toEqual({ state: 'prepared', message: '', isChanged: true });
    expect(await mayAs(agents, 'impersonate', 'users')).toBe(true);
    expect(await mayAs(agents, 'get', 'pods')).toBe(true);
    expect(await mayAs(agents, 'delete', 'pods')).toBe(false);
    expect(await mayAs(scanner, 'get', 'pods')).toBe(false);
    expect(entryOf(agents)).toMatchObject({
      groups: [agentGroup],
      tags: { 'postern:purpose': 'kube-agents', 'postern:discovery-group': 'prod' },
      policies: [],
    });
    expect(entryOf(scanner)).toBeUndefined();
  });

  test('for the role of this process where no other is named', async () => {
    expect(await setUpAccess(deps(), { ...target, principal: undefined })).toMatchObject({
      state: 'prepared',
    });
    expect(entryOf(scanner)).toMatchObject({ groups: [agentGroup], policies: [] });
    expect(await mayAs(scanner, 'impersonate', 'groups')).toBe(true);
    expect(await mayAs(scanner, 'delete', 'pods')).toBe(false);
  });

  test('once: what is there already is not written again', async () => {
    await setUpAccess(deps(), target);
    const before = written();
    expect(await setUpAccess(deps(), target)).toEqual({ state: 'prepared', message: '', isChanged: false });
    expect(written()).toEqual(before);
  });

  test('though the API server goes by new entries some time later only', async () => {
    aws.eks.access.settleMs = 400;
    expect(await setUpAccess(deps(), target)).toMatchObject({ state: 'prepared' });
    expect(entryOf(scanner)).toBeUndefined();
  });

  test('beside what somebody else wrote into the cluster', async () => {
    const kubeconfig = ['--kubeconfig', server.kubeconfig];
    await run([...kubeconfig, 'create', 'clusterrole', 'teleport', '--verb=list', '--resource=nodes']);
    await run([
      ...kubeconfig,
      'create',
      'clusterrolebinding',
      'teleport',
      '--clusterrole=teleport',
      '--group=ops',
    ]);
    expect(await setUpAccess(deps(), target)).toMatchObject({ state: 'prepared' });
    const { out } = await run([...kubeconfig, 'get', 'clusterrolebinding/teleport', '-o', 'yaml']);
    expect(out).toContain('name: ops');
    expect(out).toContain(`name: ${agentGroup}`);
    expect(await mayAs(agents, 'list', 'nodes')).toBe(true);
    expect(await mayAs(agents, 'impersonate', 'users')).toBe(true);
  });
});

describe('entries that somebody else made stay as they are (D-08)', () => {
  test('that of the agents', async () => {
    const theirs = aws.eks.access.put(blue, { principalArn: agents.arn, groups: ['theirs'] });
    const { state, message } = await setUpAccess(deps(), target);
    expect(state).toBe('in_the_way');
    expect(message).toContain(`--kubernetes-groups theirs ${agentGroup}`);
    expect(entryOf(agents)).toEqual(theirs);
    expect(written()).toEqual([]);
  });

  test('that of this process, which does not become administrator by it', async () => {
    const theirs = aws.eks.access.put(blue, { principalArn: scanner.arn, groups: ['theirs'] });
    const { state, message } = await setUpAccess(deps(), target);
    expect({ state, message }).toMatchObject({
      state: 'in_the_way',
      message: expect.stringContaining('AmazonEKSClusterAdminPolicy'),
    });
    expect(entryOf(scanner)).toEqual(theirs);
    expect(written()).toEqual([]);
  });

  test('that of this process, which is administrator already', async () => {
    const theirs = aws.eks.access.put(blue, { principalArn: scanner.arn, policies: [admin] });
    expect(await setUpAccess(deps(), target)).toMatchObject({ state: 'prepared' });
    expect(entryOf(scanner)).toEqual(theirs);
    expect(written()).toEqual(['CreateAccessEntry']);
  });

  test('a binding of another role, which has the name', async () => {
    const kubeconfig = ['--kubeconfig', server.kubeconfig];
    await run([
      ...kubeconfig,
      'create',
      'clusterrolebinding',
      'teleport',
      '--clusterrole=view',
      '--group=ops',
    ]);
    expect(await setUpAccess(deps(), target)).toMatchObject({ state: 'in_the_way' });
    expect(entryOf(scanner)).toBeUndefined();
    expect(entryOf(agents)).toBeUndefined();
  });

  test('an elevation of another group, which is in use; not one that was forgotten', async () => {
    const tags = { 'postern:purpose': 'elevation', 'postern:discovery-group': 'staging' };
    aws.eks.access.put(blue, { principalArn: scanner.arn, tags });
    expect(await setUpAccess(deps(), target)).toMatchObject({ state: 'failed' });
    expect(entryOf(scanner)).toBeDefined();
    expect(written()).toEqual([]);
    aws.eks.access.put(blue, { principalArn: scanner.arn, createdAt: new Date(Date.now() - 16 * 60_000) });
    expect(await setUpAccess(deps(), target)).toMatchObject({ state: 'prepared' });
    expect(entryOf(scanner)).toBeUndefined();
  });
});

describe('nobody is made administrator of a cluster', () => {
  test.each<[string, Partial<EksCluster>, string]>([
    ['that knows no access entries', { authenticationMode: 'CONFIG_MAP' }, 'unsupported'],
    ['that cannot be reached', { endpoint: 'https://127.0.0.1:9' }, 'unreachable'],
    ['that is not at an address of EKS (D-05)', { endpoint: 'https://attacker.test' }, 'failed'],
  ])('%s', async (_, change, state) => {
    putCluster(change);
    const outcome = await setUpAccess(deps(), target);
    expect(outcome).toMatchObject({ state, isChanged: false });
    expect(outcome.message).not.toBe('');
    expect(written()).toEqual([]);
  });
});

const operations = ['DescribeCluster', 'DescribeAccessEntry', ...writes];
const faults = [
  'throttles',
  'fails inside',
  'does not answer',
  'cuts its answer short',
  'answers in HTML',
  'says that credentials have expired',
  'says that the region is another',
  'closes the connection',
] as const;

const faultyOperations = operations.filter((action) => action !== 'UpdateAccessEntry');

describe.each(faultyOperations)('when EKS at %s', (action) => {
  test.each([
    ...faults.map((fault) => ({ fault, loses: false })),
    { fault: 'fails inside' as const, loses: true },
  ])(
    '$fault (and does nothing: $loses), nobody stays administrator and the cause is told',
    async ({ fault, loses }) => {
      aws.eks.loses = loses;
      aws.eks.misbehave = (call) => (call.action === action ? eksMisbehaviours[fault] : undefined);
      const outcome = await setUpAccess(deps(), target);
      // A deletion that was done is seen to have been, whatever was answered.
      const isDone = action === 'DeleteAccessEntry' && !loses;
      expect(outcome.state).toBe(isDone ? 'prepared' : 'failed');
      expect(outcome.message).toMatch(isDone ? /^$/ : new RegExp(`eks:${action}`));
      if (action !== 'DeleteAccessEntry') expect(entryOf(scanner)).toBeUndefined();
      aws.eks.misbehave = () => undefined;
      expect(await setUpAccess(deps(), target)).toMatchObject({ state: 'prepared' });
      expect(entryOf(scanner)).toBeUndefined();
      expect(entryOf(agents)).toMatchObject({ groups: [agentGroup], policies: [] });
    },
  );

  test('may not, the permission is named', async () => {
    aws.eks.denies = (_, call) => call.action === action;
    const { state, message } = await setUpAccess(deps(), target);
    expect(state).toBe(action === 'DeleteAccessEntry' ? 'failed' : 'denied');
    expect(message).toContain(`eks:${action}`);
    aws.eks.denies = () => false;
    await setUpAccess(deps(), target);
    expect(entryOf(scanner)).toBeUndefined();
  });
});

describe('a member that dies while it sets access up', () => {
  /** EKS that takes so many questions and then never answers, before or after it did what it was asked. */
  function dyingAfter(
    questions: number,
    isDone: boolean,
  ): { readonly eks: Eks; readonly died: Promise<void> } {
    const { promise: died, resolve } = Promise.withResolvers<void>();
    let left = questions;
    const never = new Promise<never>(() => undefined);
    const wrap = <T extends object>(inner: T): T =>
      new Proxy(inner, {
        get: (of, name) => {
          const value: unknown = Reflect.get(of, name);
          if (name === 'access') return wrap(value as object);
          if (typeof value !== 'function') return value;
          return async (...args: unknown[]) => {
            left -= 1;
            if (left > 0) return Reflect.apply(value, of, args) as unknown;
            if (left === 0 && isDone) await Reflect.apply(value, of, args);
            resolve();
            return never;
          };
        },
      });
    return { eks: wrap(eks), died };
  }

  test.each([true, false])(
    'at any step leaves nothing behind that the next does not end (%s)',
    async (isDone) => {
      let steps = 0;
      for (let isOver = false; !isOver; steps += 1) {
        aws.eks.access.remove(blue, agents.arn);
        const dying = dyingAfter(steps + 1, isDone);
        isOver = await Promise.race([
          setUpAccess(deps({ eks: dying.eks }), target).then(() => true),
          dying.died.then(() => false),
        ]);
        expect(await setUpAccess(deps(), target)).toMatchObject({ state: 'prepared' });
        expect(entryOf(scanner)).toBeUndefined();
        expect(entryOf(agents)).toMatchObject({ groups: [agentGroup], policies: [] });
      }
      expect(steps).toBeGreaterThan(9);
    },
    60_000,
  );
});

describe('access is taken back', () => {
  test('with the entry that this group made', async () => {
    await setUpAccess(deps(), target);
    expect(await removeAccess(deps(), target)).toEqual({ state: 'prepared', message: '', isChanged: true });
    expect(entryOf(agents)).toBeUndefined();
    expect(await mayAs(agents, 'impersonate', 'users')).toBe(false);
    expect(await removeAccess(deps(), target)).toMatchObject({ isChanged: false });
  });

  test('with an elevation that was left', async () => {
    const tags = { 'postern:purpose': 'elevation', 'postern:discovery-group': 'prod' };
    aws.eks.access.put(blue, { principalArn: scanner.arn, tags, policies: [admin] });
    await removeAccess(deps(), target);
    expect(entryOf(scanner)).toBeUndefined();
  });

  test.each([
    ['that another group made', { 'postern:purpose': 'kube-agents', 'postern:discovery-group': 'staging' }],
    ['that somebody else made', {}],
  ])('and an entry %s stays', async (_, tags) => {
    const theirs = aws.eks.access.put(blue, { principalArn: agents.arn, groups: [agentGroup], tags });
    expect(await removeAccess(deps(), target)).toMatchObject({ isChanged: false });
    expect(entryOf(agents)).toEqual(theirs);
  });

  test('or the permission that is missing is named', async () => {
    await setUpAccess(deps(), target);
    aws.eks.denies = (__, { action }) => action === 'DeleteAccessEntry';
    expect(await removeAccess(deps(), target)).toMatchObject({
      state: 'denied',
      message: expect.stringContaining('eks:DeleteAccessEntry'),
    });
  });
});
