import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type AwsRig,
  root,
  type RunningProcess,
  sessionOf,
  startAws,
  startProcess,
  until,
} from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AllInOne, startAllInOne } from './support/all-in-one.ts';

/** The configuration of the guide as it is printed, but for addresses, folders and how long a poll takes. */
const teleportYaml = (folder: string, edge: string, pin: string) => `version: v3
teleport:
  data_dir: ${join(folder, 'agent')}
  ca_pin: ${pin}
  join_params:
    token_name: "${join(folder, 'token')}"
    method: token
  proxy_server: ${edge}
auth_service:
  enabled: off
proxy_service:
  enabled: off
ssh_service:
  enabled: off
discovery_service:
  enabled: "yes"
  discovery_group: "aws-prod"
  poll_interval: 2s
  aws:
   - types: ["eks"]
     regions: ["*"]
     tags:
       "env": "prod" # Match EKS cluster tags where tag:env=prod
kubernetes_service:
  enabled: "yes"
  resources:
  - labels:
      "env": "prod" # Match Kubernetes Cluster labels specified earlier
`;

const account = '222222222222';
const role = { arn: `arn:aws:iam::${account}:role/teleport-role`, id: 'AROAEXAMPLEROLE00001' };
const places = [
  { account, region: 'eu-west-1' },
  { account, region: 'us-east-1' },
] as const;
const tags = { env: 'prod' };

describe('the guide on EKS auto-discovery', () => {
  let folder: string;
  let aws: AwsRig;
  let plane: AllInOne;
  let agent: RunningProcess | undefined;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-eks-'));
    aws = await startAws();
    plane = await startAllInOne(folder);
    for (const place of places)
      aws.eks.put(
        place,
        { name: 'one', tags },
        { name: 'two', tags },
        { name: 'other', tags: { env: 'test' } },
      );
  });
  afterAll(async () => {
    await agent?.stop();
    await plane?.[Symbol.asyncDispose]();
    await aws?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  async function names(): Promise<string[]> {
    const listed = await plane.admin.must('tctl', ['get', 'kube_cluster', '--format=json']);
    const all = JSON.parse(listed) as { metadata: { name: string } }[];
    return all.map(({ metadata }) => metadata.name).toSorted();
  }
  const become = (what: string, expected: readonly string[]) =>
    until(what, async () => (await names()).join() === expected.toSorted().join(), { withinMs: 60_000 });
  const called = (name: string, region: string) => `${name}-eks-${region}-${account}`;
  const all = places.flatMap(({ region }) => [called('one', region), called('two', region)]);

  test('tagged clusters of two regions appear as kube_cluster', async () => {
    const { admin, edge } = plane;
    const added = await admin.must('tctl', ['tokens', 'add', '--type=discovery,kube', '--format=json']);
    await writeFile(join(folder, 'token'), (JSON.parse(added) as { token: string }).token);
    const pin = /sha256:[0-9a-f]{64}/.exec(await admin.must('tctl', ['status']))![0];
    await writeFile(join(folder, 'teleport.yaml'), teleportYaml(folder, edge, pin));
    const key = aws.accounts.issueKey(sessionOf(role, 'i-0123'), { isTemporary: true });
    agent = startProcess({
      name: 'agent',
      command: join(root, 'bin', 'postern'),
      args: ['start', '-c', join(folder, 'teleport.yaml')],
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: folder,
        POSTERN_HEARTBEAT_INTERVAL: '1s',
        AWS_ACCESS_KEY_ID: key.accessKeyId,
        AWS_SECRET_ACCESS_KEY: key.secretAccessKey,
        AWS_SESSION_TOKEN: key.sessionToken!,
        AWS_ENDPOINT_URL_EKS: aws.eksUrl,
        AWS_ENDPOINT_URL_STS: aws.stsUrl,
      },
      cwd: folder,
      logDir: folder,
    });
    await become('four clusters', all).catch(async (error: unknown) => {
      throw new Error(await readFile(agent!.logFile, 'utf8'), { cause: error });
    });
    const shown = await admin.must('tctl', ['get', `kube_cluster/${all[0]}`]);
    expect(shown).toContain('teleport.dev/origin: cloud');
    expect(shown).toContain('teleport.internal/discovery-group-name: aws-prod');
  });

  test('what loses its tag, is deleted, or gets its tag follows', async () => {
    const [first, second] = places;
    aws.eks.put(first, { name: 'one' });
    await become('one is untagged', all.slice(1));
    aws.eks.remove(second, 'two');
    await become('another is deleted', all.slice(1, 3));
    aws.eks.put(first, { name: 'one', tags });
    await become('the first is tagged again', all.slice(0, 3));
  });

  test('a discovery_config of the group is acted on, and shows what came of it', async () => {
    const file = join(folder, 'discovery_config.yaml');
    await writeFile(
      file,
      'kind: discovery_config\nversion: v1\nmetadata: {name: tests}\nspec:\n  discovery_group: aws-prod\n' +
        '  aws: [{types: [eks], regions: [eu-west-1], tags: {env: test}}]\n',
    );
    await plane.admin.must('tctl', ['create', file]);
    await become('a cluster of the tests', [...all.slice(0, 3), called('other', 'eu-west-1')]);
    await until('its status', async () =>
      /state: complete/.test(await plane.admin.must('tctl', ['get', 'discovery_config/tests'])),
    );
  });

  test('nothing goes while EKS denies, and an unchanged cluster has one event', async () => {
    const before = aws.eks.count('ListClusters');
    aws.eks.denies = ({ arn }) => arn.includes('teleport-role');
    for (const place of places) aws.eks.remove(place, 'one');
    await until('every region is asked again, twice', () => aws.eks.count('ListClusters') > before + 100, {
      withinMs: 60_000,
    });
    expect(await names()).toEqual([...all.slice(0, 3), called('other', 'eu-west-1')].toSorted());
    const shown = await plane.admin.must('tctl', ['get', 'discovery_config/tests']);
    expect(shown).toContain('state: incomplete');
    expect(shown).toContain('permission: eks:ListClusters');
    const history = await plane.admin.must('tctl', ['history', `kube_cluster/${all[1]}`, '--format=json']);
    expect(JSON.parse(history)).toHaveLength(1);
  });
});
