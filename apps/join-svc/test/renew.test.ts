import type { IssuedIdentity } from '@postern/contracts';
import { until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  call,
  type ControlPlane,
  joinBody,
  joined,
  joiner,
  recorded,
  type Replica,
  startControlPlane,
} from './control-plane.ts';

let plane: ControlPlane;
let replica: Replica;

beforeAll(async () => {
  plane = await startControlPlane();
  replica = await plane.replica();
});
afterAll(() => plane[Symbol.asyncDispose]());

const events = async (type: string) => (await recorded(replica)).filter((event) => event.type === type);
const renew = async (as: { key: string; certificate: string }, csr?: string) =>
  call<IssuedIdentity>(replica, '/v1/renew', { body: { csr: csr ?? (await joiner()).csr }, as });

function lock(agentId: string, message: string): Promise<void> {
  const name = `lock-${agentId}`;
  const spec = { target: { server_id: agentId }, message };
  return plane.views.put('lock', name, { kind: 'lock', version: 'v2', metadata: { name }, spec });
}

describe('a renewal', () => {
  test('gives the same agent the next generation, with a new key', async () => {
    const agent = await joined(replica, ['Kube', 'Discovery']);
    const { status, body } = await renew(agent);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      agentId: agent.identity.agentId,
      roles: ['Discovery', 'Kube'],
      generation: 2,
    });
    expect(body.certificate).not.toBe(agent.certificate);
  });

  test('takes no role and no name from the request (C-06)', async () => {
    const agent = await joined(replica);
    const { csr } = await joiner();
    const wide = await call(replica, '/v1/renew', { body: { csr, roles: ['Auth'] }, as: agent });
    expect(wide.status).toBe(400);
    expect((await renew(agent)).body.roles).toEqual(['Kube']);
  });

  test('whose answer was lost is answered again, for the same key only (C-08)', async () => {
    const agent = await joined(replica);
    const { csr } = await joiner();
    const [lost, again] = [await renew(agent, csr), await renew(agent, csr)];
    expect(again.body).toMatchObject({
      generation: 2,
      agentId: lost.body.agentId,
      notAfter: lost.body.notAfter,
    });
    const copy = await renew(agent);
    expect(copy.status).toBe(403);
    expect(copy.body).toMatchObject({ code: 'join.generation_mismatch' });
  });

  test('of an older generation is refused, recorded, and not answered again later (C-07)', async () => {
    const agent = await joined(replica);
    const { key, csr } = await joiner();
    const second = { key, certificate: (await renew(agent, csr)).body.certificate };
    expect((await renew(second)).body.generation).toBe(3);
    expect((await renew(agent, csr)).status).toBe(403);
    expect((await renew(second)).status).toBe(403);
    const reasons = (await events('JoinRefused')).map(({ data }) => data['reason'] as string);
    expect(reasons.filter((reason) => reason.includes(agent.identity.agentId))).toHaveLength(2);
  });

  test('without a certificate is refused', async () => {
    const { csr } = await joiner();
    expect((await call(replica, '/v1/renew', { body: { csr } })).status).toBe(401);
  });
});

describe('a copied identity', () => {
  test('is on record with who showed it, and once locked neither of the two is renewed (C-07)', async () => {
    const agent = await joined(replica);
    const { agentId } = agent.identity;
    const { key, csr } = await joiner();
    const original = { key, certificate: (await renew(agent, csr)).body.certificate };
    expect((await renew(agent)).body).toMatchObject({ code: 'join.generation_mismatch' });
    const [copied] = (await events('AgentCopied')).filter(({ data }) => data['agentId'] === agentId);
    expect(copied).toMatchObject({
      stream: `agent/${agentId}`,
      data: { shown: 1, generation: 2, sourceIp: '127.0.0.1' },
    });
    await lock(agentId, 'it was copied');
    for (const as of [agent, original]) {
      const { status, body } = await until('the lock is known', async () => {
        const reply = await renew(as);
        return (reply.body as unknown as { code: string }).code === 'join.agent_locked' && reply;
      });
      expect({ status, body }).toMatchObject({
        status: 403,
        body: { detail: expect.stringContaining('it was copied') },
      });
    }
    await plane.views.put('lock', `lock-${agentId}`);
    const freed = await until('the lock is gone', async () => {
      const reply = await renew(original);
      return reply.status === 200 && reply;
    });
    expect(freed.body).toMatchObject({ agentId, generation: 3 });
  });

  test('takes nothing from a renewal whose answer was lost (C-08)', async () => {
    const agent = await joined(replica);
    const { csr } = await joiner();
    expect((await renew(agent, csr)).status).toBe(200);
    expect((await renew(agent)).status).toBe(403);
    expect((await renew(agent, csr)).body.generation).toBe(2);
  });
});

describe('whether an identity holds', () => {
  const self = (as: { key: string; certificate: string }) => call(replica, '/v1/agents/self', { as });

  test('its agent may ask', async () => {
    const agent = await joined(replica);
    expect(await self(agent)).toEqual({
      status: 200,
      body: { agentId: agent.identity.agentId, generation: 1 },
    });
  });

  test('nobody else may', async () => {
    expect((await call(replica, '/v1/agents/self')).status).toBe(401);
  });

  test('is told with the reason when it is locked', async () => {
    const agent = await joined(replica);
    await lock(agent.identity.agentId, 'stolen');
    const { body } = await until('the lock is known', async () => {
      const reply = await self(agent);
      return reply.status === 403 && reply;
    });
    expect(body).toMatchObject({ code: 'join.agent_locked', detail: expect.stringContaining('stolen') });
  });

  test('is denied of an agent of a control plane that is no more', async () => {
    const { key, csr } = await joiner();
    await using other = await startControlPlane();
    const elsewhere = await other.replica();
    const body = await joinBody({ csr });
    const { certificate } = (await call<IssuedIdentity>(elsewhere, '/v1/join', { body })).body;
    expect((await self({ key, certificate })).status).toBe(401);
  });
});
