import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KubeApiServer, locateKubectl, startKubeApiServer } from '@postern/lab';
import {
  type AwsRig,
  mustRun,
  root,
  type RunningProcess,
  runCommand,
  startAws,
  startProcess,
  until,
} from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AllInOne, startAllInOne } from './support/all-in-one.ts';

const account = '111122223333';
const role = `arn:aws:iam::${account}:role/kube-iam-role`;
const namespace = 'teleport-agent';
const serviceAccount = 'teleport-kube-agent-sa';

/** token.yaml of the guide, with the account id in the place of its variable. */
const tokenYaml = `kind: token
version: v2
metadata:
  # the token name is not a secret because instances must prove that they are
  # running in your AWS account to use this token
  name: kube-iam-token
spec:
  # use the minimal set of roles required
  roles: [Kube]

  # set the join method allowed for this token
  join_method: iam

  allow:
  # aws_arn is optional and allows you to restrict the IAM role of joining Agents
  # to a specific IAM role
  - aws_account: "${account}"
    aws_arn: "arn:aws:sts::${account}:assumed-role/kube-iam-role/*"
`;

/** What an agent in a pod may do with its Secret, as charts grant it. */
const secretsRole = ['create', 'role', 'agent', '--verb=get,create,patch', '--resource=secrets'];
const bindRole = ['create', 'rolebinding', 'agent', '--role=agent'];

describe('the guide on registering a cluster by IAM joining, up to the chart', () => {
  const scope = new AsyncDisposableStack();
  let folder: string;
  let aws: AwsRig;
  let plane: AllInOne;
  let cluster: KubeApiServer;
  let kubectl: (...args: readonly string[]) => Promise<string>;
  let agent: RunningProcess;
  let agentId: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-irsa-'));
    scope.defer(() => rm(folder, { recursive: true, force: true }));
    aws = scope.use(await startAws());
    plane = scope.use(await startAllInOne(folder, { POSTERN_STS_ENDPOINT: aws.stsUrl }));
    cluster = scope.use(await startKubeApiServer({ dir: join(folder, 'kube'), durable: false }));
    const program = await locateKubectl();
    kubectl = (...args) => mustRun(program, ['--kubeconfig', cluster.kubeconfig, ...args]);
  });
  afterAll(async () => {
    await agent?.stop();
    await scope.disposeAsync();
  });

  test('makes the service account with its IAM role, and the token', async () => {
    expect(await kubectl('create', 'ns', namespace)).toBe(`namespace/${namespace} created\n`);
    const made = await kubectl('create', 'sa', serviceAccount, '-n', namespace);
    expect(made).toBe(`serviceaccount/${serviceAccount} created\n`);
    await kubectl(
      'annotate',
      'serviceaccount',
      '-n',
      namespace,
      serviceAccount,
      `eks.amazonaws.com/role-arn=${role}`,
    );
    await kubectl('-n', namespace, ...secretsRole);
    await kubectl('-n', namespace, ...bindRole, `--serviceaccount=${namespace}:${serviceAccount}`);
    const keys = JSON.parse(await kubectl('get', '--raw', '/openid/v1/jwks')) as { keys: [] };
    aws.issuers.set('https://kubernetes.default.svc.cluster.local', keys);
    aws.accounts.roles.set(role, {
      arn: role,
      id: 'AROAEXAMPLEROLE00002',
      trusts: ({ aud, sub }) =>
        [aud].flat().includes('sts.amazonaws.com') &&
        sub === `system:serviceaccount:${namespace}:${serviceAccount}`,
    });
    await writeFile(join(folder, 'token.yaml'), tokenYaml);
    expect(await plane.admin.must('tctl', ['create', 'token.yaml'])).toBe(
      'provision_token "kube-iam-token" has been created\n',
    );
  });

  /** What the kubelet mounts into the pod, and what EKS adds for the role. */
  async function mountTokens(): Promise<Record<string, string>> {
    const mounted = join(folder, 'serviceaccount');
    await mkdir(mounted, { recursive: true });
    const token = (...args: string[]) =>
      kubectl('create', 'token', serviceAccount, '-n', namespace, '--duration=1h', ...args);
    await writeFile(join(mounted, 'token'), await token());
    await writeFile(join(mounted, 'ca.crt'), await readFile(cluster.caFile));
    const webIdentity = join(folder, 'web-identity-token');
    await writeFile(webIdentity, (await token('--audience=sts.amazonaws.com')).trim());
    return {
      KUBERNETES_SERVICE_HOST: '127.0.0.1',
      KUBERNETES_SERVICE_PORT: String(cluster.port),
      POSTERN_SERVICE_ACCOUNT_DIR: mounted,
      AWS_ROLE_ARN: role,
      AWS_WEB_IDENTITY_TOKEN_FILE: webIdentity,
      AWS_REGION: 'eu-west-1',
      AWS_ENDPOINT_URL_STS: aws.stsUrl,
    };
  }

  interface Pod {
    readonly replica: string;
    /** Labels of the clusters that it serves. */
    readonly labels?: Record<string, string>;
    readonly env: Record<string, string>;
  }

  /** The command line and the environment of the agent in its pod, with an empty disk. */
  async function podOf({ replica, labels = { '*': '*' }, env }: Pod) {
    const dataDir = join(folder, replica);
    await rm(dataDir, { recursive: true, force: true });
    const file = join(folder, `${replica}.yaml`);
    const config = {
      version: 'v3',
      teleport: {
        data_dir: dataDir,
        nodename: replica,
        join_params: { token_name: 'kube-iam-token', method: 'iam' },
        proxy_server: plane.edge,
      },
      auth_service: { enabled: 'no' },
      proxy_service: { enabled: 'no' },
      ssh_service: { enabled: 'no' },
      kubernetes_service: { enabled: 'yes', resources: [{ labels }] },
    };
    await writeFile(file, JSON.stringify(config), { mode: 0o600 });
    const place = {
      PATH: process.env['PATH'] ?? '',
      HOME: folder,
      POSTERN_CA_FILE: join(plane.dataDir, 'ca.pem'),
      POSTERN_HEARTBEAT_INTERVAL: '1s',
      RELEASE_NAME: 'teleport-agent',
      KUBE_NAMESPACE: namespace,
      TELEPORT_REPLICA_NAME: replica,
    };
    const command = join(root, 'bin', 'postern');
    return { command, args: ['start', '-c', file], env: { ...place, ...env }, cwd: folder, dataDir };
  }

  async function connected(): Promise<{ agentId: string; hostname: string }[]> {
    const text = await plane.admin.must('tctl', ['inventory', 'ls', '--connected', '--format=json']);
    const agents = JSON.parse(text) as { agentId: string; hostname: string; services: string[] }[];
    return agents.filter(({ hostname }) => hostname.endsWith('-0'));
  }

  async function startPod(pod: Pod): Promise<string> {
    const { dataDir, ...spec } = await podOf(pod);
    agent = startProcess({ ...spec, name: pod.replica, logDir: folder });
    const listed = await until('it is online', async () => {
      const outcome = agent.outcome();
      if (outcome !== undefined) throw new Error(`ended: ${await readFile(agent.logFile, 'utf8')}`);
      return (await connected()).find(({ hostname }) => hostname === pod.replica);
    });
    // Nothing that it is by is on the disk of the pod.
    await expect(stat(join(dataDir, 'kube', 'identity'))).rejects.toThrow('ENOENT');
    return listed.agentId;
  }

  /** Stops the agent until nobody takes it for connected: whoever is listed after that is another process. */
  async function stopPod(): Promise<void> {
    await agent.stop();
    await until('it is gone', async () => (await connected()).length === 0);
  }

  const secretOf = async (replica: string) =>
    JSON.parse(await kubectl('get', 'secret', `${replica}-state`, '-n', namespace, '-o', 'json')) as {
      metadata: { annotations: Record<string, string> };
      data: Record<string, string>;
    };

  test('joins as the role of its service account, and keeps its identity in a Secret', async () => {
    agentId = await startPod({ replica: 'teleport-agent-0', env: await mountTokens() });
    expect(aws.stsCalls.map(({ action, status }) => [action, status])).toEqual([
      ['AssumeRoleWithWebIdentity', 200],
      ['GetCallerIdentity', 200],
    ]);
    const { metadata, data } = await secretOf('teleport-agent-0');
    expect(metadata.annotations).toMatchObject({
      'helm.sh/resource-policy': 'keep',
      'meta.helm.sh/release-name': 'teleport-agent',
    });
    const stored = JSON.parse(Buffer.from(data['.ids.kube.current']!, 'base64').toString()) as object;
    expect(stored).toMatchObject({ kind: 'identity', version: 'v2', spec: { agentId } });
  });

  test('is back with the same identity when the disk and the token are gone', async () => {
    await stopPod();
    await plane.admin.must('tctl', ['tokens', 'rm', 'kube-iam-token']);
    const asked = aws.stsCalls.length;
    const { AWS_ROLE_ARN: _, AWS_WEB_IDENTITY_TOKEN_FILE: __, ...env } = await mountTokens();
    expect(await startPod({ replica: 'teleport-agent-0', env })).toBe(agentId);
    expect(aws.stsCalls.length).toBe(asked);
  });

  test('is locked when its Secret was copied, and both are told how to go on (C-07)', async () => {
    const env = await mountTokens();
    await stopPod();
    const copy = JSON.parse(
      await kubectl('get', 'secret', 'teleport-agent-0-state', '-n', namespace, '-o', 'json'),
    ) as {
      data: object;
    };
    const secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'thief-0-state', namespace },
      data: copy.data,
    };
    await writeFile(join(folder, 'copy.json'), JSON.stringify(secret));
    await kubectl('create', '-f', join(folder, 'copy.json'));
    // Other labels are another view, for which the identity is renewed at once.
    await startPod({ replica: 'teleport-agent-0', labels: { env: 'prod' }, env });
    const { command, args, ...thief } = await podOf({ replica: 'thief-0', labels: { env: 'dev' }, env });
    const { code, stdout, stderr } = await runCommand(command, args, { env: thief.env, cwd: folder });
    expect(code).not.toBe(0);
    expect(stdout + stderr).toContain('somebody has a copy of this identity');
    expect(stdout + stderr).toContain('Secret teleport-agent/thief-0-state, key .ids.kube.current');
    const lock = await until('it is locked', async () => {
      const { stdout: text } = await plane.admin.run('tctl', ['get', 'lock']);
      return text.includes(agentId) && text;
    });
    expect(lock).toContain(`copied-identity-${agentId}`);
    const inventory = await plane.admin.run('tctl', ['inventory', 'ls']);
    expect(inventory.stderr).toContain(`${agentId} is locked by lock/copied-identity-${agentId}`);
  });
});
