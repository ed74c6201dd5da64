import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type AwsRig,
  eksMisbehaviours,
  type EksCall,
  root,
  type RunningProcess,
  sessionOf,
  startAws,
  startProcess,
  until,
} from '@postern/testkit';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AllInOne, startAllInOne } from './support/all-in-one.ts';

interface Task {
  readonly group_name: string;
  readonly slot: Date;
  readonly task: string;
  readonly state: string;
  readonly attempt: number;
  readonly returned: number;
}

const slots = 50;
const regions = ['eu-west-1', 'us-east-1'];
/** The example of the guide: two members for each of two accounts, in a group for each. */
const groups = { prod: '111111111111', staging: '222222222222' } as const;
type Group = keyof typeof groups;
const members: readonly (readonly [Group, string])[] = [
  ['prod', 'prod-1'],
  ['prod', 'prod-2'],
  ['staging', 'staging-1'],
  ['staging', 'staging-2'],
];

describe('two groups of two members in two accounts', () => {
  let folder: string;
  let aws: AwsRig;
  let plane: AllInOne;
  const running = new Map<string, RunningProcess>();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-groups-'));
    aws = await startAws();
    plane = await startAllInOne(folder);
    for (const account of Object.values(groups))
      for (const region of regions) aws.eks.put({ account, region }, { name: 'a' }, { name: 'b' });
    const pin = /sha256:[0-9a-f]{64}/.exec(await plane.admin.must('tctl', ['status']))![0];
    for (const [group, name] of members) await startMember(group, name, pin);
  }, 120_000);
  afterAll(async () => {
    for (const process of running.values()) await process.stop();
    await plane?.[Symbol.asyncDispose]();
    await aws?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  async function startMember(group: Group, name: string, pin: string): Promise<void> {
    const token = await plane.admin.must('tctl', ['tokens', 'add', '--type=discovery', '--format=json']);
    const file = join(folder, `${name}.yaml`);
    const config = {
      version: 'v3',
      teleport: {
        proxy_server: plane.edge,
        ca_pin: pin,
        data_dir: join(folder, name),
        nodename: name,
        join_params: { token_name: (JSON.parse(token) as { token: string }).token, method: 'token' },
      },
      auth_service: { enabled: 'no' },
      proxy_service: { enabled: 'no' },
      ssh_service: { enabled: 'no' },
      discovery_service: {
        enabled: 'yes',
        discovery_group: group,
        poll_interval: '1s',
        aws: [{ types: ['eks'], regions, tags: { '*': '*' } }],
      },
    };
    await writeFile(file, JSON.stringify(config), { mode: 0o600 });
    const role = { arn: `arn:aws:iam::${groups[group]}:role/scanner`, id: 'AROASCANNER' };
    const started = startProcess({
      name,
      command: join(root, 'bin', 'postern'),
      args: ['start', '-c', file],
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: folder,
        ...aws.accounts.variablesOf(sessionOf(role, name)),
        AWS_ENDPOINT_URL_EKS: aws.eksUrl,
        AWS_ENDPOINT_URL_STS: aws.stsUrl,
      },
      cwd: folder,
      logDir: folder,
      group: true,
    });
    running.set(name, started);
  }

  async function tasks(): Promise<Task[]> {
    const client = new pg.Client({ connectionString: plane.postgresUrl });
    await client.connect();
    try {
      return (await client.query<Task>('select * from resource.work_task order by slot')).rows;
    } finally {
      await client.end();
    }
  }

  const memberOf = ({ by }: EksCall) => by.split('/').at(-1)!;

  test('scan each account and region once in each of fifty slots', async () => {
    await until(
      'fifty slots are over',
      async () => {
        const done = (await tasks()).filter(({ state }) => state === 'done');
        return Object.keys(groups).every(
          (group) => done.filter(({ group_name }) => group_name === group).length >= slots * regions.length,
        );
      },
      { withinMs: 150_000 },
    );
    const all = await tasks();
    const over = all.filter(({ state }) => state === 'done');
    expect(over.filter(({ attempt, returned }) => attempt - returned !== 1)).toEqual([]);
    const lists = aws.eks.calls.filter(({ action }) => action === 'ListClusters');
    for (const [group, account] of Object.entries(groups)) {
      for (const region of regions) {
        const asked = lists.filter((call) => call.account === account && call.region === region);
        const begun = all
          .filter(
            ({ group_name, task }) => group_name === group && task.startsWith(`eks/${account}/${region}/`),
          )
          .reduce((sum, { attempt, returned }) => sum + attempt - returned, 0);
        // One or two may have begun, or been asked for, since the tasks were read.
        expect(Math.abs(asked.length - begun)).toBeLessThanOrEqual(3);
      }
    }
  });

  test('go on without a member that is killed in the middle of a scan, and leave the other group alone', async () => {
    const before = await clustersOf('staging');
    const account = groups.prod;
    const stuck = { by: '' };
    aws.eks.misbehave = (call) => {
      if (call.account !== account || call.action !== 'DescribeCluster') return undefined;
      stuck.by ||= memberOf(call);
      return memberOf(call) === stuck.by ? eksMisbehaviours['does not answer'] : undefined;
    };
    await until('a member is in the middle of a scan', () => stuck.by !== '');
    const victim = running.get(stuck.by)!;
    running.delete(stuck.by);
    const held = (await tasks()).filter(
      ({ group_name, state }) => group_name === 'prod' && state === 'taken',
    );
    await victim.kill9();
    const other = stuck.by === 'prod-1' ? 'prod-2' : 'prod-1';
    const seen = aws.eks.calls.length;
    await until(
      'the other member scans all that there is',
      () => {
        const since = aws.eks.calls.slice(seen).filter((call) => memberOf(call) === other);
        return regions.every((region) => since.some((call) => call.region === region));
      },
      { withinMs: 30_000 },
    );
    // Slots are shorter than a lease here: what it held is over before anybody may take it, and is given up.
    const isHeld = (one: Task) =>
      held.some((had) => Number(had.slot) === Number(one.slot) && had.task === one.task);
    await until('nobody has what it had', async () =>
      (await tasks()).filter(isHeld).every(({ state }) => state !== 'taken'),
    );
    aws.eks.misbehave = () => undefined;
    expect(await clustersOf('staging')).toEqual(before);
    expect(await clustersOf('prod')).toHaveLength(4);
    for (const { name } of [...(await clustersOf('prod')), ...before]) {
      const history = await plane.admin.must('tctl', ['history', `kube_cluster/${name}`, '--format=json']);
      expect(JSON.parse(history)).toHaveLength(1);
    }
  });

  async function clustersOf(group: Group): Promise<{ readonly name: string; readonly revision: string }[]> {
    const listed = await plane.admin.must('tctl', ['get', 'kube_cluster', '--format=json']);
    const all = JSON.parse(listed) as {
      metadata: { name: string; revision: string; labels: Record<string, string> };
    }[];
    return all
      .filter(({ metadata }) => metadata.labels['teleport.internal/discovery-group-name'] === group)
      .map(({ metadata: { name, revision } }) => ({ name, revision }));
  }
});
