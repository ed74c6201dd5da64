import { type ChildProcess, fork } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { Secret, systemClock } from '@postern/core';
import { openResourceStore, type ResourceEventStore } from '@postern/resource-svc';
import { silentTelemetry } from '@postern/telemetry';
import { type AwsRig, sessionOf, startAws, until } from '@postern/testkit';
import { cpuSeconds } from './cpu.ts';
import type { DiscoveryPlan } from './discovery-process.ts';
import { megabytes, peakResidentBytes } from './memory.ts';
import { startServers } from './servers.ts';
import type { Measured } from './table.ts';

const benchAgent = 'bench-discovery';
const clusterCount = 5_000;
const regions =
  `us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 eu-west-1 eu-west-2 eu-west-3 eu-central-1 eu-north-1
  ap-south-1 ap-southeast-1 ap-southeast-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 sa-east-1`.split(
    /\s+/,
  );
const accounts = Array.from({ length: 20 }, (_, at) => String(100_000_000_001 + at));
/** Long enough for the first scan; the second one begins when it is over. */
const slotSeconds = 150;
const sources = regions.length * accounts.length;
const scanner = { arn: 'arn:aws:iam::100000000001:role/scanner', id: 'AROASCANNER' };

/** A scan of 5,000 clusters in 20 accounts and 17 regions when none is known, and the one after it, when nothing has changed. */
export async function benchDiscovery(folder: string, scope: AsyncDisposableStack): Promise<Measured[]> {
  mkdirSync(folder, { recursive: true });
  const aws = scope.use(await startAws());
  plantClusters(aws);
  const servers = await startServers(folder, scope);
  const log = openSync(join(folder, 'processes.log'), 'a');
  scope.defer(() => closeSync(log));
  const start = async (file: string, plan: object): Promise<ChildProcess> => {
    const child = fork(join(import.meta.dirname, file), [JSON.stringify(plan)], {
      stdio: ['ignore', log, log, 'ipc'],
    });
    scope.defer(() => void child.kill('SIGTERM'));
    await new Promise((resolve, reject) => {
      child.once('message', resolve);
      child.once('exit', (code) => reject(new Error(`${file} ended with ${code}`)));
    });
    return child;
  };
  await start('resource-process.ts', servers);
  const telemetry = scope.use(silentTelemetry());
  const store = scope.use(
    await openResourceStore(new Secret(servers.postgresUrl), { telemetry, clock: systemClock }),
  );
  // join-svc would tell it, and nobody joins here.
  await store.db
    .insertInto('agent_roles')
    .values({
      agent_id: benchAgent,
      roles: JSON.stringify(['Discovery']),
      joined_at: new Date(),
      revoked_at: null,
    })
    .execute();
  const env = {
    AWS_ENDPOINT_URL_STS: aws.stsUrl,
    AWS_ENDPOINT_URL_EKS: aws.eksUrl,
    ...aws.accounts.variablesOf(sessionOf(scanner, 'bench')),
  };
  const plan: DiscoveryPlan = { natsUrl: servers.natsUrl, agentId: benchAgent, config: teleportYaml(), env };
  const member = await start('discovery-process.ts', plan);
  const look = () => new Look(aws, store, member.pid!);
  const first = await look().untilDone(1);
  const second = await look().untilDone(2);
  return [row('first scan, every cluster is new', first), row('next scan, nothing has changed', second, 0)];
}

function row(path: string, seen: Seen, events?: number): Measured {
  const perCluster = (seen.calls / clusterCount).toFixed(2);
  const figure = `${seen.seconds.toFixed(0)} s for ${sources} sources, ${seen.calls} calls of AWS (${perCluster} a cluster), ${seen.events} events, CPU ${seen.cpuSeconds.toFixed(1)} s, ${megabytes(seen.peakBytes)} at most`;
  if (events === undefined) return { path, figure };
  return { path, figure, target: `${events} events`, met: seen.events === events };
}

interface Seen {
  readonly seconds: number;
  readonly calls: number;
  readonly events: number;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
}

/** What a scan costs from when it is looked at: from its first question to AWS until its last task is done. */
class Look {
  readonly #aws: AwsRig;
  readonly #store: ResourceEventStore;
  readonly #pid: number;
  readonly #callsBefore: number;
  readonly #cpuBefore: number;

  constructor(aws: AwsRig, store: ResourceEventStore, pid: number) {
    this.#aws = aws;
    this.#store = store;
    this.#pid = pid;
    this.#callsBefore = this.#calls();
    this.#cpuBefore = cpuSeconds([pid]);
  }

  /** Waits until all tasks of so many slots are done. */
  async untilDone(slots: number): Promise<Seen> {
    const eventsBefore = await this.#events();
    await until('it begins', () => this.#calls() > this.#callsBefore + 1, { withinMs: slotSeconds * 1500 });
    const began = performance.now();
    await until('it is done', async () => (await this.#doneSlots()) >= slots, {
      withinMs: slotSeconds * 1500,
    });
    return {
      seconds: (performance.now() - began) / 1000,
      calls: this.#calls() - this.#callsBefore,
      events: (await this.#events()) - eventsBefore,
      cpuSeconds: cpuSeconds([this.#pid]) - this.#cpuBefore,
      peakBytes: peakResidentBytes(this.#pid),
    };
  }

  #calls(): number {
    return this.#aws.eks.calls.length + this.#aws.stsCalls.length;
  }

  /** Each event makes a resource a version newer. */
  async #events(): Promise<number> {
    const { db } = this.#store;
    const { versions } = await db
      .selectFrom('resource')
      .select((the) => the.fn.sum<string>('version').as('versions'))
      .where('kind', '=', 'kube_cluster')
      .executeTakeFirstOrThrow();
    return Number(versions);
  }

  async #doneSlots(): Promise<number> {
    const rows = await this.#store.db
      .selectFrom('work_task')
      .select('slot')
      .where('state', '=', 'done')
      .groupBy('slot')
      .having((the) => the.fn.countAll(), '=', sources)
      .execute();
    return rows.length;
  }
}

function plantClusters(aws: AwsRig): void {
  const certificateAuthority = Buffer.from('-----BEGIN CERTIFICATE-----').toString('base64');
  for (const account of accounts)
    for (const name of ['scan', 'agents']) {
      const arn = roleArn(account, name);
      aws.accounts.roles.set(arn, { arn, id: `AROA${name.toUpperCase()}${account}` });
    }
  for (let at = 0; at < clusterCount; at += 1) {
    const account = accounts[at % accounts.length]!;
    const region = regions[at % regions.length]!;
    const name = `cluster-${at}`;
    aws.eks.put(
      { account, region },
      { name, certificateAuthority, tags: { env: 'prod', team: `t${at % 50}` } },
    );
    const principalArn = roleArn(account, 'agents');
    aws.eks.access.put(
      { account, region, cluster: name },
      { principalArn, groups: ['teleport:kube-service:eks'] },
    );
  }
}

function roleArn(account: string, name: string): string {
  return `arn:aws:iam::${account}:role/${name}`;
}

function teleportYaml(): string {
  const matchers = accounts.map((account) => ({
    types: ['eks'],
    regions,
    tags: { env: 'prod' },
    assume_role_arn: roleArn(account, 'scan'),
    setup_access_for_arn: roleArn(account, 'agents'),
  }));
  return JSON.stringify({
    version: 'v3',
    teleport: { proxy_server: 'bench.test:443' },
    auth_service: { enabled: 'no' },
    proxy_service: { enabled: 'no' },
    ssh_service: { enabled: 'no' },
    discovery_service: {
      enabled: 'yes',
      discovery_group: 'bench',
      poll_interval: `${slotSeconds}s`,
      aws: matchers,
    },
  });
}
