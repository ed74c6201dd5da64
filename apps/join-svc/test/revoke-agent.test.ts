import { type Bus, createOperatorConfig, createUserKey } from '@postern/bus';
import { agentSubjects, type IssuedIdentity, type RevokeReply } from '@postern/contracts';
import { assertionHeader, HeldIdentity, principalOf, signAssertion } from '@postern/identity';
import { until } from '@postern/testkit';
import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  call,
  clusterName,
  type ControlPlane,
  type Credential,
  joinBody,
  joiner,
  recorded,
  type Replica,
  startControlPlane,
} from './control-plane.ts';
import { connectAs, type Joined, joinOn, putPolicy, renewOn, startAdministered } from './bus-agents.ts';

const operator = createOperatorConfig();
let plane: ControlPlane;
let replica: Replica;
let admin: Credential;
let ask: typeof call;

beforeAll(async () => {
  plane = await startControlPlane(operator);
  await putPolicy(plane, 'role', 'reader', {
    allow: { rules: [{ resources: ['instance'], verbs: ['list', 'read'] }] },
  });
  ({ replica, admin, ask } = await startAdministered(plane));
});
afterAll(() => plane[Symbol.asyncDispose]());

const joinAgent = (to = replica, roles = ['Kube']): Promise<Joined> => joinOn(to, { roles });
const renew = (agent: Joined, to = replica) => renewOn(to, agent);
const connectTo = (agent: Joined): Promise<Bus> => connectAs(plane, agent);

function revoke(agentId: string, body: object = {}, to = replica) {
  return ask<RevokeReply & { detail: string }>(to, `/v1/agents/${encodeURIComponent(agentId)}/revoke`, {
    as: admin,
    body,
  });
}

const refusal = { code: 'bus.unauthenticated' };

describe('a revoked agent', () => {
  test('is off the bus within two seconds, with every credential it ever got, and is not renewed', async () => {
    const first = await joinAgent();
    const { agent: second } = await renew(first);
    await using connected = await connectTo(second);
    const left: string[] = [];
    const { agentId } = first.identity;
    await using listener = await connectTo(await joinAgent(replica, ['Proxy']));
    listener.subscribe('agent.*.bye', {}, ({ subject }) => void left.push(subject));
    await listener.flush();
    const began = performance.now();
    const { status, body } = await revoke(agentId, { message: 'stolen' });
    expect([status, body.bus, body.credentialsEnd]).toEqual([200, 'told', second.identity.notAfter]);
    await until('it is cut off', () => !connected.isConnected, { everyMs: 5 });
    expect(performance.now() - began).toBeLessThan(2000);
    for (const agent of [first, second]) await expect(connectTo(agent)).rejects.toMatchObject(refusal);
    const renewed = await renew(second);
    expect([renewed.status, renewed.detail]).toEqual([
      403,
      'this agent was revoked: join again with a token',
    ]);
    await until('everybody heard that it left', () => left.includes(agentSubjects.goodbye(agentId)));
    const events = (await recorded(replica)).filter(({ stream }) => stream === `agent/${agentId}`);
    expect(events.at(-1)).toMatchObject({
      type: 'AgentRevoked',
      data: { agentId, by: expect.stringContaining('/user/admin') as string, message: 'stolen' },
    });
  });

  test('that is an edge speaks for nobody any more, though its certificate has not ended', async () => {
    const edge = await joinAgent(replica, ['Proxy']);
    const { agentId, hostCa, userCa } = edge.identity;
    const held = new HeldIdentity({ ...edge, hostCa, userCa, clusterName });
    const principal = principalOf(new X509Certificate(admin.certificate), held.trust());
    const asAdmin = async () => {
      const said = { principal, requestId: crypto.randomUUID(), sourceIp: '192.0.2.7' };
      const signed = await signAssertion(held.current(), said, { audience: 'join-svc', at: new Date() });
      return call(replica, '/v1/me', { as: edge, headers: { [assertionHeader]: signed } });
    };
    expect(await asAdmin()).toMatchObject({ status: 200 });
    await revoke(agentId);
    expect(await asAdmin()).toMatchObject({ status: 401 });
  });

  test('changes nothing for the others', async () => {
    const [bad, good] = [await joinAgent(), await joinAgent()];
    await using other = await connectTo(good);
    await revoke(bad.identity.agentId);
    await other.flush();
    expect(other.isConnected).toBe(true);
    expect((await renew(good)).status).toBe(200);
  });

  test('is revoked once, whoever says so again', async () => {
    const { identity } = await joinAgent();
    const replies = [await revoke(identity.agentId), await revoke(identity.agentId)];
    expect(replies.map(({ body }) => body.bus)).toEqual(['told', 'told']);
    const events = (await recorded(replica)).filter(({ stream }) => stream === `agent/${identity.agentId}`);
    expect(events.map(({ type }) => type)).toEqual(['AgentJoined', 'AgentRevoked']);
  });

  test('has no credential left when it renews at the same moment', async () => {
    for (let round = 0; round < 5; round += 1) {
      const agent = await joinAgent();
      const [renewed, revoked] = await Promise.all([renew(agent), revoke(agent.identity.agentId)]);
      expect(revoked.body.bus).toBe('told');
      await expect(connectTo(agent)).rejects.toMatchObject(refusal);
      if (renewed.status === 200) await expect(connectTo(renewed.agent)).rejects.toMatchObject(refusal);
    }
  });

  test('gets no credential for another bus user by a renewal that it repeats', async () => {
    const agent = await joinAgent();
    const { csr } = await joiner();
    const renewal = (busKey: string) =>
      call(replica, '/v1/renew', { as: agent, body: { csr, busKey } }).then(({ status }) => status);
    const { publicKey } = createUserKey();
    expect(await renewal(publicKey)).toBe(200);
    expect(await renewal(publicKey)).toBe(200);
    expect(await renewal(createUserKey().publicKey)).toBe(403);
  });
});

describe('a bus user with several credentials', () => {
  const hour = 3_600_000;
  const endsOf = async (agent: string) => {
    const rows = replica.store.db
      .selectFrom('bus_revocation')
      .select('ends_at')
      .where('agent_id', '=', agent);
    return (await rows.execute()).map(({ ends_at: ends }) => ends.toISOString());
  };
  const joinWith = async (to: Replica, busKey: string) => {
    const { key, csr } = await joiner();
    const { body } = await call<IssuedIdentity>(to, '/v1/join', { body: await joinBody({ csr, busKey }) });
    return { key, certificate: body.certificate, identity: body };
  };

  test('is refused until the last of them has ended, also where an agent renewed with the same key', async () => {
    await using earlier = await plane.replica({ agentTtlMs: hour });
    const { publicKey: busKey } = createUserKey();
    const agent = await joinWith(earlier, busKey);
    const { csr } = await joiner();
    const { body } = await call<IssuedIdentity>(replica, '/v1/renew', { as: agent, body: { csr, busKey } });
    expect(body.notAfter > agent.identity.notAfter).toBe(true);
    await revoke(body.agentId);
    expect(await endsOf(body.agentId)).toEqual([body.notAfter]);
  });

  test('is refused until the last of them has ended, also where two agents share it', async () => {
    await using earlier = await plane.replica({ agentTtlMs: hour });
    const { publicKey: busKey } = createUserKey();
    const { identity: first } = await joinWith(earlier, busKey);
    const { identity: second } = await joinWith(replica, busKey);
    await revoke(first.agentId);
    await revoke(second.agentId);
    expect(await endsOf(first.agentId)).toEqual([second.notAfter]);
  });
});

describe('who may revoke', () => {
  test('are users whose roles may update instance', async () => {
    const agent = await joinAgent();
    const path = `/v1/agents/${agent.identity.agentId}/revoke`;
    await plane.views.put('user', 'admin', {
      kind: 'user',
      version: 'v2',
      metadata: { name: 'admin' },
      spec: { roles: ['reader'], traits: {} },
    });
    await until('the rights are gone', async () => (await revoke(agent.identity.agentId)).status === 403);
    await plane.views.put('user', 'admin', {
      kind: 'user',
      version: 'v2',
      metadata: { name: 'admin' },
      spec: { roles: ['editor'], traits: {} },
    });
    await until('they are back', async () => (await ask(replica, '/v1/me', { as: admin })).status === 200);
    const byItself = await call<{ detail: string }>(replica, path, { as: agent, body: {} });
    expect(byItself.status).toBe(403);
    expect((await call(replica, path, { body: {} })).status).toBe(401);
    expect((await renew(agent)).status).toBe(200);
  });

  test.each(['nobody', '*', '../authority/host', `agent\u0000`])(
    'are told that there is no agent %j',
    async (id) => {
      const before = (await recorded(replica)).length;
      expect([400, 404]).toContain((await revoke(id)).status);
      expect((await recorded(replica)).length).toBe(before);
    },
  );
});

describe('the bus is told', () => {
  test('by another replica, when the one that recorded it could not', async () => {
    await using mute = await plane.replica({ isOperator: false });
    const agent = await joinAgent();
    await using connected = await connectTo(agent);
    const { body } = await revoke(agent.identity.agentId, {}, mute);
    expect(body.bus).toBe('cannot-be-told');
    await until('the other one told it', () => !connected.isConnected);
    await expect(connectTo(agent)).rejects.toMatchObject(refusal);
  });

  test('when it is back, if it was away', async () => {
    const agent = await joinAgent();
    await plane.nats.kill9();
    const { body } = await revoke(agent.identity.agentId);
    expect(body.bus).toBe('pending');
    await plane.nats.start();
    await until('it refuses the agent', async () => {
      const tried = await connectTo(agent).then(
        async (bus) => bus[Symbol.asyncDispose](),
        (error: { code?: string }) => error.code,
      );
      return tried === 'bus.unauthenticated';
    });
  });

  test('no longer of credentials that have ended', async () => {
    let now = Date.now();
    await using own = await plane.replica({ clock: () => new Date(now), agentTtlMs: 60_000 });
    const agent = await joinAgent(own);
    const { agentId } = agent.identity;
    await until('it knows the policy', async () => (await ask(own, '/v1/me', { as: admin })).status === 200);
    expect((await revoke(agentId, {}, own)).body.bus).toBe('told');
    const rows = () =>
      own.store.db.selectFrom('bus_revocation').selectAll().where('agent_id', '=', agentId).execute();
    const { bus_key: key } = (await rows())[0]!;
    const { sub } = readClaims(operator.accountJwt);
    const account = async () => (await fetch(`${plane.nats.monitorUrl()}/accountz?acc=${sub}`)).text();
    expect(await account()).toContain(key);
    now += 120_000;
    await until('the row is gone', async () => (await rows()).length === 0);
    await until('the bus forgot it', async () => !(await account()).includes(key));
  });
});

function readClaims(jwt: string): { readonly sub: string } {
  return JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString()) as { sub: string };
}
