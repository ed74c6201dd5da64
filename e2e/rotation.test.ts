import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openIdentity as joinAs } from '@postern/agent';
import { locateIdentity, openApi, openIdentity } from '@postern/client';
import type { RotationPhase, RotationView, StatusReply } from '@postern/contracts';
import { systemClock } from '@postern/core';
import { splitPem } from '@postern/identity';
import { type KubeApiServer, startKubeApiServer } from '@postern/lab';
import { silentTelemetry } from '@postern/telemetry';
import { type RunningProcess, type SeparateStack, startSeparately, until } from '@postern/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { type Followers, joinFollowers } from './support/followers.ts';
import { doorsOf } from './support/old-authority.ts';
import { type Caller, type Load, startLoad } from './support/tunnels/load.ts';
import { runTunnelAgent, startTunnelAgent } from './support/tunnels/start-agent.ts';

const count = 200;
const token = 'a-token-for-many-agents-0123456789';
const bounded = { withinMs: 60_000 };

let folder: string;
let stack: SeparateStack;
let target: KubeApiServer;
let followers: Followers;
let agent: RunningProcess;
let sleeper: RunningProcess;

const edges = () => stack.proxyAddrs.map((address) => `https://${address}`);
const encoded = (text: string) => Buffer.from(text).toString('base64url');
const path = `/v1/teleport/${encoded('postern')}/${encoded('far')}/version`;
const options = (name: string) => ({
  name,
  folder,
  stack,
  proxyServer: stack.proxyAddrs[0]!,
  labels: { where: name === 'agent' ? 'far' : 'nowhere' },
});

/** The administrator as of now: join-svc writes the identity anew whenever the authorities change. */
async function administrator(): Promise<Caller> {
  const located = locateIdentity({ proxy: stack.proxyAddrs[0], env: stack.admin.env, cwd: stack.dataDir });
  const { key, certificate, caPem } = await openIdentity(located, systemClock);
  return { key, cert: certificate, ca: caPem };
}

async function status(): Promise<StatusReply & { readonly rotation: RotationView }> {
  const { key, cert: certificate, ca: caPem } = await administrator();
  await using api = openApi({ proxy: stack.proxyAddrs[0]!, caPem, identity: { key, certificate } });
  const { rotation, ...found } = await api.status();
  return { ...found, rotation: rotation! };
}

/** Clients under way: another one begins with the credential of now before the one before ends, as people sign in anew. */
const loads: Load[] = [];
const failed: string[] = [];
let answered = 0;
let ended = 0;

async function renewLoad(): Promise<void> {
  loads.push(startLoad(edges(), path, await administrator(), 50));
  const load = loads.at(-1)!;
  await until('the load runs', () => load.answered() > 20, bounded);
  if (loads.length > 1) await endLoad();
}

async function endLoad(): Promise<void> {
  const report = await loads.shift()!.stop();
  ended += 1;
  failed.push(...report.failed.map((what) => `in load ${ended}: ${what}`));
  answered += report.answered;
}

const move = (phase: RotationPhase, ...flags: string[]) =>
  stack.admin.must('tctl', ['auth', 'rotate', '--manual', `--phase=${phase}`, ...flags]);

async function rotate(phase: RotationPhase, ...flags: string[]): Promise<void> {
  await move(phase, ...flags);
  if (phase === 'update_clients') await until('the administrator has followed', hasFollowed, bounded);
  await renewLoad();
}

/** Whether the administrator has a certificate of the authority that is to come. */
async function hasFollowed(): Promise<boolean> {
  const exported = await stack.admin.must('tctl', ['auth', 'export', '--type=user']);
  const candidate = new X509Certificate(splitPem(exported).at(-1)!);
  return new X509Certificate((await administrator()).cert).verify(candidate.publicKey);
}

/** Everybody follows but who is away. */
const allFollow = (away: number) =>
  until(
    'all have followed',
    async () => {
      const { total, followed } = (await status()).rotation.agents;
      if (total - followed !== away) throw new Error(`${total - followed} have not`);
      return true;
    },
    bounded,
  );

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-rotation-'));
  [stack, target] = await Promise.all([
    startSeparately(folder),
    startKubeApiServer({ dir: join(folder, 'target'), durable: false }),
  ]);
  const file = join(folder, 'far.yaml');
  const kubeconfig = (await readFile(target.kubeconfig)).toString('base64');
  const metadata = { name: 'far', labels: { where: 'far' } };
  await writeFile(file, stringify({ kind: 'kube_cluster', version: 'v3', metadata, spec: { kubeconfig } }));
  await stack.admin.must('tctl', ['create', '-f', file]);
  await stack.admin.must('tctl', ['tokens', 'add', '--type=kube', '--ttl=1h', `--value=${token}`]);
  [agent, sleeper] = await Promise.all([
    startTunnelAgent(options('agent')),
    startTunnelAgent(options('sleeper')),
  ]);
  followers = await joinFollowers(stack, count, token);
}, 240_000);

afterAll(async () => {
  for (const load of loads) await load.stop();
  await followers?.[Symbol.asyncDispose]();
  await agent?.stop();
  await sleeper?.stop();
  await stack?.[Symbol.asyncDispose]();
  await target?.stop();
  await rm(folder, { recursive: true, force: true });
}, 120_000);

const logOf = (name: string) => readFile(join(folder, `${name}.log`), 'utf8');

test('authorities are rotated under load with 200 agents: no request fails, and who slept joins again (C-13)', async () => {
  await until(
    'the sleeper has joined',
    async () => (await logOf('sleeper')).includes('opened a tunnel'),
    bounded,
  );
  await sleeper.stop();
  const before = await status();
  // An agent that takes no part any more, as a thief of its files would have it.
  const stolen = await joinAs({
    joinUrls: edges(),
    trust: { caFile: join(stack.dataDir, 'ca.pem') },
    token,
    roles: ['Kube'],
    hostname: 'stolen',
    telemetry: silentTelemetry(),
    clock: systemClock,
  });
  const loot = { agentId: stolen.agentId, certificate: stolen.held.current(), bus: stolen.bus };
  await stolen[Symbol.asyncDispose]();
  const doors = doorsOf(stack);
  const openTo = () => Promise.all(doors.map((door) => door.knows(loot)));
  expect(await openTo()).not.toContain(false);
  await renewLoad();

  await rotate('init');
  await allFollow(2);
  expect((await status()).caPins).toHaveLength(2);
  await rotate('update_clients', '--force');
  await allFollow(2);
  await rotate('update_servers', '--force');
  await allFollow(2);
  const refusal = await stack.admin.run('tctl', ['auth', 'rotate', '--manual', '--phase=standby']);
  expect(refusal.stderr).toContain('2 of ');
  expect(await openTo()).not.toContain(false);
  await move('standby', '--force');
  const began = performance.now();
  const refused = doors.map((door) =>
    until(`${door.name} refuses the old authority`, async () => !(await door.knows(loot)), { everyMs: 50 }),
  );
  await Promise.all(refused);
  expect(performance.now() - began).toBeLessThan(2000);
  await renewLoad();
  await allFollow(2);
  const after = await status();
  expect(after.rotation.phase).toBe('standby');
  expect(after.caPins).toHaveLength(1);
  expect(after.caPins).not.toEqual(before.caPins);
  for (const { identity } of followers.processes) {
    expect(identity.lost.aborted).toBe(false);
    expect(splitPem(identity.held.current().hostCa)).toHaveLength(1);
  }
  await endLoad();
  expect(failed).toEqual([]);
  expect(answered).toBeGreaterThan(200);

  const asleep = (await logOf('sleeper')).length;
  sleeper = runTunnelAgent(options('sleeper'));
  await until(
    'the sleeper is back',
    async () => {
      const log = (await logOf('sleeper')).slice(asleep);
      return log.includes('joined the control plane') && log.includes('opened a tunnel');
    },
    bounded,
  );
}, 300_000);

test('services that slept through a rotation begin again, each with an identity of its own method', async () => {
  await followers[Symbol.asyncDispose]();
  const asleep = ['resource-svc-1', 'inventory-svc-1', 'kube-proxy-1', 'discovery-svc-1'];
  // The other discovery-svc may be on the bus through the edge that sleeps.
  const awake = (await status()).rotation.agents.followed - count - asleep.length - 1;
  const begun = await Promise.all(asleep.map(logOf));
  for (const name of asleep) stack.processNamed(name).freeze();
  for (const phase of ['init', 'update_clients', 'update_servers', 'standby'] as const) {
    await move(phase, ...(phase === 'init' ? [] : ['--force']));
    if (phase !== 'standby')
      await until(
        `who is awake has followed to ${phase}`,
        async () => {
          const { followed, total } = (await status()).rotation.agents;
          if (followed < awake) throw new Error(`${followed} of ${total} have, not ${awake}`);
          return true;
        },
        bounded,
      );
  }
  for (const name of asleep) stack.processNamed(name).thaw();
  for (const [at, name] of asleep.entries()) {
    await until(
      `${name} has begun again`,
      async () => {
        const log = (await logOf(name)).slice(begun[at]!.length);
        return log.includes('the service begins again') && log.includes(`${name.slice(0, -2)} is ready`);
      },
      { withinMs: 120_000 },
    );
    await until(`${name} is ready`, () => stack.isReady(name), bounded);
  }
}, 300_000);
