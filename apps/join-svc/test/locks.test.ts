import { type Bus, createOperatorConfig } from '@postern/bus';
import { type AgentsOfTokenReply, type JoinRefused, lockKind } from '@postern/contracts';
import { sha256Hex } from '@postern/core';
import { until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  call,
  type ControlPlane,
  type Credential,
  joinBody,
  putToken,
  recorded,
  type Replica,
  startControlPlane,
} from './control-plane.ts';
import { connectAs, type Joined, joinOn, renewOn, startAdministered } from './bus-agents.ts';

const token = 'canary-locked-token-0123456789abcdef';
const other = 'canary-other-token-0123456789abcdef0';
let plane: ControlPlane;
let replica: Replica;
let admin: Credential;
let ask: typeof call;

beforeAll(async () => {
  plane = await startControlPlane(createOperatorConfig());
  for (const name of [token, other])
    await putToken(plane.views, name, { roles: ['Kube', 'Proxy'], join_method: 'token' });
  ({ replica, admin, ask } = await startAdministered(plane));
});
afterAll(() => plane[Symbol.asyncDispose]());

const joinBy = (name: string, roles = ['Kube']): Promise<Joined> => joinOn(replica, { token: name, roles });
const renew = (agent: Joined) => renewOn(replica, agent);
const connectTo = (agent: Joined): Promise<Bus> => connectAs(plane, agent);

/** As resource-svc would publish it. */
function lock(target: Record<string, string>, message?: string): Promise<void> {
  const document = { kind: 'lock', version: 'v2', metadata: { name: 'l1' }, spec: { target, message } };
  const { spec, ...resource } = lockKind.normalize(document, { now: new Date() });
  return plane.views.put('lock', 'l1', { ...resource, spec: { ...spec } });
}
const unlock = () => plane.views.put('lock', 'l1');
const refusal = { code: 'bus.unauthenticated' };
const self = (agent: Credential) => call<{ detail: string }>(replica, '/v1/agents/self', { as: agent });

describe('a lock', () => {
  test.each<[string, (agent: Joined) => Record<string, string>]>([
    ['an agent', ({ identity }) => ({ server_id: identity.agentId })],
    ['the token by which it joined', () => ({ join_token: token })],
  ])(
    'on %s takes it off the bus within two seconds, with every credential, and it is not renewed until the lock is gone',
    async (_, targetOf) => {
      const first = await joinBy(token);
      const { agent } = await renew(first);
      const bystander = await joinBy(other);
      await using connected = await connectTo(agent);
      await using undisturbed = await connectTo(bystander);
      const began = performance.now();
      await lock(targetOf(agent), 'stolen');
      await until('it is cut off', () => !connected.isConnected, { everyMs: 5 });
      expect(performance.now() - began).toBeLessThan(2000);
      for (const one of [first, agent]) await expect(connectTo(one)).rejects.toMatchObject(refusal);
      const refused = await renew(agent);
      expect([refused.status, refused.detail]).toEqual([
        403,
        expect.stringContaining('this agent is locked: stolen'),
      ]);
      expect((await self(agent)).status).toBe(403);
      await undisturbed.flush();
      expect((await renew(bystander)).status).toBe(200);
      await unlock();
      await until('the bus takes it again', async () => {
        const bus = await connectTo(agent).catch(() => undefined);
        await bus?.[Symbol.asyncDispose]();
        return bus !== undefined;
      });
      expect((await renew(agent)).status).toBe(200);
    },
  );

  test('on a token refuses joins by it, of which the joiner learns nothing and the record says why', async () => {
    await lock({ join_token: token }, 'leaked');
    const asked = async () =>
      call<{ detail: string }>(replica, '/v1/join', { body: await joinBody({ token }) });
    await until('nobody joins by it', async () => (await asked()).status === 403);
    const unknown = await joinBody({ token: 'never-made' });
    const { body } = await asked();
    expect(body.detail).toBe(
      (await call<{ detail: string }>(replica, '/v1/join', { body: unknown })).body.detail,
    );
    const reasons = (await recorded(replica)).flatMap(({ type, data }) =>
      type === 'JoinRefused' ? (data as ReturnType<typeof JoinRefused>['data']).reason : [],
    );
    expect(reasons).toContain('the token is locked: leaked');
    expect(plane.telemetry.lines.some((line) => line.includes('the token is locked: leaked'))).toBe(true);
    await joinBy(other);
    await unlock();
    await until('they join again', async () => (await asked()).status === 200);
  });

  test('on a token leaves services of the control plane on the bus, since they tell of its end', async () => {
    const edge = await joinBy(token, ['Proxy']);
    await using connected = await connectTo(edge);
    const agent = await joinBy(token);
    await using cut = await connectTo(agent);
    await lock({ join_token: token });
    await until('the agent is cut off', () => !cut.isConnected);
    await connected.flush();
    expect((await renew(edge)).status).toBe(403);
    await unlock();
    await until('the lock is gone', async () => (await self(edge)).status === 200);
  });
});

describe('who joined by a token', () => {
  const path = (name: string) => `/v1/agents/by-token/${sha256Hex(name)}`;

  test('is told to users who may list instances, page by page', async () => {
    const mine = 'canary-listed-token-0123456789abcdef';
    await putToken(plane.views, mine, { roles: ['Kube'], join_method: 'token' });
    const joined = [await joinBy(mine), await joinBy(mine)]
      .map(({ identity }) => identity.agentId)
      .toSorted();
    const all = await ask<AgentsOfTokenReply>(replica, path(mine), { as: admin });
    expect(all.body).toEqual({ agentIds: joined, isLast: true });
    const rest = await ask<AgentsOfTokenReply>(replica, `${path(mine)}?after=${joined[0]!}`, { as: admin });
    expect(rest.body.agentIds).toEqual([joined[1]]);
  });

  test('is not told to agents, nor to nobody', async () => {
    const agent = await joinBy(other);
    expect((await call(replica, path(other), { as: agent })).status).toBe(403);
    expect((await call(replica, path(other))).status).toBe(401);
  });
});
