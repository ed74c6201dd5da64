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
import { type RealEksCluster, startEksCluster } from './support/eks-clusters.ts';

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
  /** Those that are called `one`, by region. */
  let ones: readonly RealEksCluster[];
  const scope = new AsyncDisposableStack();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-eks-'));
    aws = await startAws();
    aws.accounts.roles.set(role.arn, role);
    const cluster = (place: (typeof places)[number]) => startEksCluster({ aws, folder, scope }, place, 'one');
    [plane, ...ones] = await Promise.all([startAllInOne(folder), ...places.map(cluster)]);
    for (const one of ones) one.put(tags);
    for (const place of places)
      aws.eks.put(place, { name: 'two', tags }, { name: 'other', tags: { env: 'test' } });
  }, 180_000);
  afterAll(async () => {
    await agent?.stop();
    await plane?.[Symbol.asyncDispose]();
    await scope.disposeAsync();
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
    agent = startProcess({
      name: 'agent',
      command: join(root, 'bin', 'postern'),
      args: ['start', '-c', join(folder, 'teleport.yaml')],
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: folder,
        POSTERN_HEARTBEAT_INTERVAL: '1s',
        ...aws.accounts.variablesOf(sessionOf(role, 'i-0123')),
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

  /** kubectl, as somebody who may do everything in clusters of production. */
  async function getNamespaces(cluster: string): Promise<string> {
    const kubeconfig = join(folder, `${cluster}.kubeconfig`);
    const told = [
      '--format=kubernetes',
      `--kube-cluster-name=${cluster}`,
      '--overwrite',
      `--out=${kubeconfig}`,
    ];
    const signed = await plane.admin.run('tctl', ['auth', 'sign', '--user=ops', ...told]);
    if (signed.code !== 0) return signed.stderr;
    const { stdout, stderr } = await plane.admin.kubectl(['--kubeconfig', kubeconfig, 'get', 'namespaces']);
    return stdout + stderr;
  }

  test('they are served by the Kubernetes Service of the same process, which nobody had to let in', async () => {
    const { admin } = plane;
    const file = join(folder, 'role.yaml');
    await writeFile(
      file,
      'kind: role\nversion: v7\nmetadata: {name: ops}\nspec:\n  allow:\n    kubernetes_labels: {env: prod}\n' +
        "    kubernetes_groups: ['system:masters']\n" +
        "    kubernetes_resources: [{kind: '*', namespace: '*', name: '*', verbs: ['*']}]\n",
    );
    await admin.must('tctl', ['create', file]);
    await admin.must('tctl', ['users', 'add', 'ops', '--roles=ops']);
    for (const { region } of places) {
      const cluster = called('one', region);
      await until(
        `kubectl reaches ${cluster}`,
        async () => (await getNamespaces(cluster)).includes('kube-system'),
        {
          withinMs: 60_000,
        },
      );
    }
    for (const place of places) {
      const [entry, ...others] = aws.eks.access.of({ ...place, cluster: 'one' });
      expect(others).toEqual([]);
      expect(entry).toMatchObject({ groups: ['teleport:kube-service:eks'], policies: [] });
    }
  });

  test('tctl inventory status --connected lists the instance with its services', async () => {
    const listed = await plane.admin.must('tctl', ['inventory', 'ls', '--connected', '--format=json']);
    const found = (
      JSON.parse(listed) as { agentId: string; services: string[]; discovery?: object }[]
    ).filter(({ services }) => services.includes('Discovery') || services.includes('Kube'));
    expect(found.flatMap(({ services }) => services).toSorted()).toEqual(['Discovery', 'Kube']);
    expect(found.find(({ services }) => services.includes('Discovery'))!.discovery).toMatchObject({
      group: 'aws-prod',
    });
    const status = await plane.admin.must('tctl', ['inventory', 'status', '--connected']);
    for (const { agentId } of found) expect(status).toContain(agentId);
  });

  test('what loses its tag, is deleted, or gets its tag follows', async () => {
    const [first, second] = places;
    const entries = () => aws.eks.access.of({ ...first, cluster: 'one' });
    ones[0]!.put({});
    await become('one is untagged', all.slice(1));
    await until('agents have no access to it any more', () => entries().length === 0);
    aws.eks.remove(second, 'two');
    await become('another is deleted', all.slice(1, 3));
    ones[0]!.put(tags);
    await become('the first is tagged again', all.slice(0, 3));
    await until('it is served again', async () => (await getNamespaces(all[0]!)).includes('kube-system'), {
      withinMs: 60_000,
    });
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
