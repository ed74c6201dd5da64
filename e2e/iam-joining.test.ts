import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type AwsRig,
  root,
  type RunningProcess,
  runCommand,
  sessionOf,
  startAws,
  startProcess,
  until,
} from '@postern/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type AllInOne, startAllInOne } from './support/all-in-one.ts';

/** The token of the guide, as it is printed. */
const tokenYaml = `# token.yaml
kind: token
version: v2
metadata:
  # the token name is not a secret because instances must prove that they are
  # running in your AWS account to use this token
  name: iam-token
spec:
  # use the minimal set of roles required (e.g. Node, App, Kube, DB, WindowsDesktop)
  roles: [Node]
  
  # set the join method allowed for this token
  join_method: iam
  
  allow:
    # specify the AWS account which Teleport processes may join from
    - aws_account: "111111111111"
    # multiple allow rules are supported
    - aws_account: "222222222222"
    # aws_arn is optional and allows you to restrict the IAM role of joining
    # Teleport processes
    - aws_account: "333333333333"
      aws_arn: "arn:aws:sts::333333333333:assumed-role/teleport-node-role/i-*"
`;

/** /etc/teleport.yaml of the guide, but for the address and the folder. */
const teleportYaml = (edge: string, dataDir: string) => `# /etc/teleport.yaml
version: v3
teleport:
  data_dir: ${dataDir}
  join_params:
    token_name: iam-token
    method: iam
  proxy_server: ${edge}
ssh_service:
  enabled: true
auth_service:
  enabled: false
proxy_service:
  enabled: false
`;

const nodeRole = { arn: 'arn:aws:iam::333333333333:role/teleport-node-role', id: 'AROAEXAMPLEROLE00001' };

describe('the guide on joining by AWS IAM', () => {
  let folder: string;
  let aws: AwsRig;
  let plane: AllInOne;
  const agents: RunningProcess[] = [];
  let starts = 0;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-iam-'));
    aws = await startAws();
    plane = await startAllInOne(folder, { POSTERN_STS_ENDPOINT: aws.stsUrl });
    await writeFile(join(folder, 'token.yaml'), tokenYaml);
  });
  afterEach(async () => {
    await Promise.all(agents.splice(0).map((agent) => agent.stop()));
    aws.stsCalls.splice(0);
  });
  afterAll(async () => {
    await plane?.[Symbol.asyncDispose]();
    await aws?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const place = (env: Record<string, string>) => ({
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    POSTERN_CA_FILE: join(plane.dataDir, 'ca.pem'),
    POSTERN_HEARTBEAT_INTERVAL: '1s',
    ...env,
  });

  async function configuration(name: string): Promise<string> {
    const file = join(folder, `${name}.yaml`);
    await writeFile(file, teleportYaml(plane.edge, join(folder, name)));
    return file;
  }

  /** Starts the process of the guide until it is ready; answers its id in the inventory. */
  async function startAgent(
    name: string,
    env: Record<string, string>,
    says = 'joined the control plane',
  ): Promise<string> {
    const agent = startProcess({
      name: `${name}-${(starts += 1)}`,
      command: join(root, 'bin', 'postern'),
      args: ['start', '-c', await configuration(name)],
      env: place(env),
      cwd: folder,
      logDir: folder,
    });
    agents.push(agent);
    const ready = await until(`${name} is ready`, async () => {
      const log = await readFile(agent.logFile, 'utf8');
      return log.includes('postern is ready') && log;
    });
    expect(ready).toContain(says);
    expect(ready).toContain('ssh_service joined and is in the inventory; Postern does not serve SSH');
    return until(`${name} is online`, async () => {
      const listed = await plane.admin.must('tctl', ['inventory', 'ls', '--connected', '--format=json']);
      const online = JSON.parse(listed) as { agentId: string; services: string[] }[];
      return online.find(({ services }) => services.includes('Node'))?.agentId;
    });
  }

  const userKey = (account: string) =>
    aws.accounts.issueKey({
      account,
      arn: `arn:aws:iam::${account}:user/ci`,
      userId: 'AIDAEXAMPLEUSER00001',
    });
  const variables = ({ accessKeyId, secretAccessKey }: ReturnType<typeof userKey>) => ({
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_DEFAULT_REGION: 'eu-central-1',
  });

  test('makes the token of tctl create -f, and says what about its rules is worth a second look', async () => {
    const { stdout, stderr, code } = await plane.admin.run('tctl', ['create', '-f', 'token.yaml']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'provision_token "iam-token" has been created\n' });
    expect(stderr).toMatch(
      /^warning: spec\.allow\[0\].*every role and user of the account 111111111111 may join/m,
    );
  });

  test('joins with the credentials of /etc/default/teleport, and is the same again when the token is gone', async () => {
    const env = variables(userKey('111111111111'));
    const id = await startAgent('by-variables', env);
    expect(aws.stsCalls.map(({ action, headers }) => [action, headers['host']])).toEqual([
      ['GetCallerIdentity', 'sts.eu-central-1.amazonaws.com'],
    ]);
    await Promise.all(agents.splice(0).map((agent) => agent.stop()));
    await plane.admin.must('tctl', ['rm', 'token/iam-token']);
    expect(await startAgent('by-variables', {}, 'resumed the stored identity')).toBe(id);
    expect(aws.stsCalls).toHaveLength(1);
    await plane.admin.must('tctl', ['create', '-f', 'token.yaml']);
  });

  test('joins an instance by the role of its profile, whose session the rule has a wildcard for', async () => {
    const key = aws.accounts.issueKey(sessionOf(nodeRole, 'i-0123456789abcdef0'), { isTemporary: true });
    aws.instance.role = { name: 'teleport-node-role', key };
    aws.instance.documents.set('/latest/meta-data/placement/region', 'us-west-2');
    await startAgent('instance', { AWS_EC2_METADATA_SERVICE_ENDPOINT: aws.metadataUrl });
    expect(aws.stsCalls.map(({ headers, status }) => [headers['host'], status])).toEqual([
      ['sts.us-west-2.amazonaws.com', 200],
    ]);
  });

  test('refuses who is in no rule, tells him nothing, and records which rule did not fit', async () => {
    const file = await configuration('stranger');
    const env = place(variables(userKey('333333333333')));
    const { code, stderr, stdout } = await runCommand(join(root, 'bin', 'postern'), ['start', '-c', file], {
      env,
    });
    expect(code).toBe(4);
    expect(stdout + stderr).toContain('the join was refused: check the token, its roles and its expiry');
    expect(stdout + stderr).not.toContain('spec.allow');
    const tail = startProcess({
      name: 'refusals',
      command: join(root, 'bin', 'tctl'),
      args: ['events', 'tail', '--since=1h', '--type=JoinRefused', '--format=json'],
      env: { ...plane.admin.env },
      cwd: folder,
      logDir: folder,
    });
    agents.push(tail);
    const told = await until('the refusal is told', async () => {
      const log = await readFile(tail.logFile, 'utf8');
      return log.includes('JoinRefused') && log;
    });
    expect(told).toContain('no rule admits arn:aws:iam::333333333333:user/ci');
    expect(told).toContain('spec.allow[2].aws_arn');
  });

  test('tells who proved itself which role the token lacks', async () => {
    const file = join(folder, 'app.yaml');
    const app = teleportYaml(plane.edge, join(folder, 'app')).replace(
      'ssh_service:',
      'ssh_service: {enabled: no}\napp_service:',
    );
    await writeFile(file, app);
    const env = place(variables(userKey('111111111111')));
    const { code, stderr, stdout } = await runCommand(join(root, 'bin', 'postern'), ['start', '-c', file], {
      env,
    });
    expect(code).toBe(4);
    expect(stdout + stderr).toContain('the token does not allow the role App: it allows Node');
  });
});
