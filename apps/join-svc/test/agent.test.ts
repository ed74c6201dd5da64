import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AgentIdentity, type IdentityOptions, openIdentity } from '@postern/agent';
import { systemClock } from '@postern/core';
import { caPin } from '@postern/identity';
import { silentTelemetry } from '@postern/telemetry';
import { memoryParking } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type ControlPlane,
  recorded,
  type Replica,
  serviceToken,
  startControlPlane,
} from './control-plane.ts';

let plane: ControlPlane;
let replicas: Replica[];
let dataDir: string;
const scope = new AsyncDisposableStack();
const telemetry = silentTelemetry('agent');

beforeAll(async () => {
  plane = scope.use(await startControlPlane());
  replicas = await Promise.all([plane.replica(), plane.replica()]);
  dataDir = await mkdtemp(join(tmpdir(), 'agent-'));
  scope.defer(() => rm(dataDir, { recursive: true }));
});
afterAll(() => scope.disposeAsync());

async function open(options: Partial<IdentityOptions> = {}): Promise<AgentIdentity> {
  return openIdentity({
    joinUrls: replicas.map(({ url }) => url),
    trust: { caPin: caPin(replicas[0]!.ca) },
    token: serviceToken,
    roles: ['Kube', 'Discovery'],
    hostname: 'agent-host',
    dataDir,
    telemetry,
    clock: systemClock,
    ...options,
  });
}

describe('an agent', () => {
  test('joins, renews, restarts without its token, and is the same agent all along', async () => {
    const first = await open();
    const { agentId } = first;
    await first.renew();
    expect(first.held.current().principal).toMatchObject({ id: agentId, generation: 2 });
    await first[Symbol.asyncDispose]();
    await using second = await open({ token: undefined });
    expect(second.agentId).toBe(agentId);
    await second.renew();
    expect(second.held.current().principal).toMatchObject({ generation: 3, roles: ['Discovery', 'Kube'] });
    const history = (await recorded(replicas[0]!)).filter(({ stream }) => stream === `agent/${agentId}`);
    expect(history.map(({ type }) => type)).toEqual(['AgentJoined', 'AgentRenewed', 'AgentRenewed']);
  });

  test('whose token is refused is told so in one line', async () => {
    const opening = open({ token: 'unknown-token-0123456789', dataDir: undefined });
    await expect(opening).rejects.toThrow('the join was refused: check the token, its roles and its expiry');
  });

  test('copied to a second machine is found out when both renew', async () => {
    const own = await mkdtemp(join(dataDir, 'copied-'));
    await using original = await open({ dataDir: own });
    await using copy = await open({ dataDir: own });
    await original.renew();
    await expect(copy.renew()).rejects.toThrow('already renewed');
    const refusals = (await recorded(replicas[0]!)).filter(({ type }) => type === 'JoinRefused');
    expect(refusals.at(-1)?.data).toMatchObject({ method: 'renew', roles: ['Discovery', 'Kube'] });
  });
});

test('every event of a join reaches the bus', async () => {
  const identity = await open({ dataDir: undefined });
  const seen: string[] = [];
  const consumption = plane.bus.consume({
    stream: 'EVT_JOIN',
    durable: 'test',
    parking: memoryParking(),
    handler: async (message) => void seen.push(message.event().stream),
  });
  await expect.poll(() => seen.includes(`agent/${identity.agentId}`), { timeout: 10_000 }).toBe(true);
  await consumption[Symbol.asyncDispose]();
  await identity[Symbol.asyncDispose]();
});
