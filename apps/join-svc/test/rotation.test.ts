import { join } from 'node:path';
import { createOperatorConfig, createUserKey } from '@postern/bus';
import {
  type RotateRequest,
  type RotationPhase,
  type RotationView,
  type SignedCertificate,
  type StatusReply,
  type TrustMessage,
  type TrustReply,
  trustSubject,
} from '@postern/contracts';
import { caPin, issuerPin, readTrustNews, splitPem } from '@postern/identity';
import { until } from '@postern/testkit';
import { afterEach, describe, expect, test } from 'vitest';
import {
  administrator,
  call,
  clusterName,
  type ControlPlane,
  type Credential,
  joinBody,
  joined,
  joiner,
  recorded,
  type Replica,
  type Reply,
  startControlPlane,
  startEdge,
} from './control-plane.ts';

type Moved = RotationView & { readonly code?: string };

/** What a rotation does is done to a whole cluster: each test has one of its own. */
interface Cluster extends AsyncDisposable {
  readonly plane: ControlPlane;
  readonly one: Replica;
  readonly other: Replica;
  rotate(phase: RotationPhase, changes?: Partial<RotateRequest>): Promise<Reply<Moved>>;
  status(replica: Replica): Promise<StatusReply>;
  /** A new key of the administrator, certified now. */
  certified(): Promise<SignedCertificate>;
}

let cluster: Cluster | undefined;
afterEach(async () => {
  await cluster?.[Symbol.asyncDispose]();
  cluster = undefined;
});

async function startCluster(...config: Parameters<typeof startControlPlane>): Promise<Cluster> {
  const plane = await startControlPlane(...config);
  const [path, otherPath] = ['admin.pem', 'admin-2.pem'].map((name) => join(plane.dataDir, name));
  const spec = { allow: { rules: [{ resources: ['*'], verbs: ['*'] }] } };
  await plane.views.put('role', 'editor', {
    kind: 'role',
    version: 'v7',
    metadata: { name: 'editor' },
    spec,
  });
  for (const [name, roles] of [
    ['admin', ['editor']],
    ['nobody', []],
  ] as const) {
    const metadata = { name };
    await plane.views.put('user', name, {
      kind: 'user',
      version: 'v2',
      metadata,
      spec: { roles, traits: {} },
    });
  }
  const one = await plane.replica({ adminIdentityFile: path });
  const other = await plane.replica({ adminIdentityFile: otherPath });
  // A process of today: it joins anew for each question, and the file of the administrator is written anew at each change.
  const ask: typeof call = async (replica, way, options) => {
    const forward = await startEdge(replica as Replica);
    return forward(replica, way, { ...options, as: await administrator(path!) });
  };
  await until('the edge is known', async () => (await ask(one, '/v1/me')).status === 200, {
    withinMs: 10_000,
  });
  return {
    plane,
    one,
    other,
    rotate: (phase, changes = {}) =>
      ask<Moved>(one, '/v1/auth/rotation', { body: { phase, force: true, ...changes } }),
    status: async (replica) => (await ask<StatusReply>(replica, '/v1/status')).body,
    certified: async () => {
      const { csr } = await joiner();
      return (await ask<SignedCertificate>(one, '/v1/certificates', { body: { csr, ttlSeconds: 600 } })).body;
    },
    [Symbol.asyncDispose]: () => plane[Symbol.asyncDispose](),
  };
}

const trustOf = async (replica: Replica): Promise<TrustReply> =>
  (await call<TrustReply>(replica, '/v1/trust')).body;

/** Both replicas have the same authorities, as many as that. */
async function settle({ one, other }: Cluster, pins: number): Promise<TrustReply> {
  const read = () => Promise.all([trustOf(one), trustOf(other)]);
  await until(
    'both replicas have the same authorities',
    async () => {
      const [first, second] = await read();
      return first.caPins.length === pins && first.hostCa === second.hostCa;
    },
    { withinMs: 2_000 },
  );
  return (await read())[0];
}

const standing = (replica: Replica, as: Credential) => call(replica, '/v1/agents/self', { as });

async function renewed(replica: Replica, as: Credential): Promise<Credential> {
  const { key, csr } = await joiner();
  const { status, body } = await call<{ certificate: string }>(replica, '/v1/renew', { body: { csr }, as });
  expect(status).toBe(200);
  return { key, certificate: body.certificate };
}

const follow = (replica: Replica, as: Credential, revision: number) =>
  call<{ revision: number }>(replica, '/v1/agents/self/trust', { as, body: { revision } });

describe('a rotation', () => {
  test('goes through its phases on both replicas, and the old authority is refused at the end (C-13)', async () => {
    cluster = await startCluster();
    const { one, other, rotate, plane, certified } = cluster;
    const before = await trustOf(one);
    const [oldPin] = before.caPins;
    const [agent, sleeper] = [await joined(one), await joined(one)];

    expect((await rotate('init')).body).toMatchObject({
      phase: 'init',
      next: ['update_clients', 'rollback'],
    });
    const both = await settle(cluster, 2);
    const newPin = both.caPins.find((pin) => pin !== oldPin)!;
    expect(both.caPins).toEqual([oldPin, newPin]);
    const issued = async () =>
      issuerPin((await renewed(other, await joined(other))).certificate, both.hostCa);
    const served = async () => issuerPin((await joined(other, ['Proxy'])).certificate, both.hostCa);
    const people = async () => issuerPin((await certified()).certificate, both.userCa);
    const [oldUser, newUser] = splitPem(both.userCa).map(caPin);
    expect([await issued(), await served(), await people()]).toEqual([oldPin, oldPin, oldUser]);

    await rotate('update_clients');
    await until(
      'the other replica certifies agents by the new authority',
      async () => (await issued()) === newPin,
      { withinMs: 2_000 },
    );
    expect([await served(), await people()]).toEqual([oldPin, newUser]);
    const follower = await renewed(other, agent);
    for (const replica of [one, other])
      for (const as of [follower, sleeper]) expect((await standing(replica, as)).status).toBe(200);

    await rotate('update_servers');
    await until(
      'the other replica certifies services by the new authority',
      async () => (await served()) === newPin,
      { withinMs: 2_000 },
    );
    expect((await standing(other, sleeper)).status).toBe(200);

    expect((await rotate('standby')).body).toMatchObject({ phase: 'standby', next: ['init'] });
    const after = await settle(cluster, 1);
    expect(after).toMatchObject({
      caPins: [newPin],
      hostCa: splitPem(both.hostCa)[1],
      formerHostCa: before.hostCa,
    });
    for (const replica of [one, other]) {
      expect((await standing(replica, follower)).status).toBe(200);
      // The connection comes about, since who trusts the old authority recognises its successor; then it is refused.
      expect((await standing(replica, sleeper)).status).toBe(401);
    }
    const rows = await one.store.db.selectFrom('authority').selectAll().where('pin', '=', oldPin!).execute();
    expect(rows).toMatchObject([{ sealed_key: null, retired_at: expect.any(Date) }]);
    const again = await plane.replica();
    expect((await trustOf(again)).hostCa).toBe(after.hostCa);
  });

  test.each(['init', 'update_clients', 'update_servers'] as const)(
    'can be turned back in the phase %s, and everything works as before (C-13)',
    async (last) => {
      cluster = await startCluster();
      const { one, other, rotate } = cluster;
      const before = await trustOf(one);
      const agent = await joined(one);
      for (const phase of ['init', 'update_clients', 'update_servers'] as const) {
        await rotate(phase);
        if (phase === last) break;
      }
      const { hostCa } = await settle(cluster, 2);
      const moved = await renewed(one, agent);
      const candidate = issuerPin(moved.certificate, hostCa);
      expect(candidate === before.caPins[0]).toBe(last === 'init');

      expect((await rotate('rollback')).body).toMatchObject({ phase: 'rollback', next: ['standby'] });
      await until(
        'the other replica certifies by the old authority again',
        async () => issuerPin((await joined(other)).certificate, before.hostCa) !== undefined,
        {
          withinMs: 2_000,
        },
      );
      const back = await renewed(other, moved);
      expect(issuerPin(back.certificate, before.hostCa)).toBe(before.caPins[0]);
      await rotate('standby');
      expect(await settle(cluster, 1)).toMatchObject({
        hostCa: before.hostCa,
        userCa: before.userCa,
        formerHostCa: '',
      });
      for (const replica of [one, other]) {
        expect((await standing(replica, back)).status).toBe(200);
        expect((await standing(replica, moved)).status).toBe(last === 'init' ? 200 : 401);
      }
      expect((await rotate('init')).body.phase).toBe('init');
    },
  );

  test('that two replicas begin at the same moment makes one new authority of each use', async () => {
    cluster = await startCluster();
    const { one, other } = cluster;
    const [edge, otherEdge] = await Promise.all([startEdge(one), startEdge(other)]);
    const as = await administrator(join(cluster.plane.dataDir, 'admin.pem'));
    const body = { phase: 'init' };
    const replies = await Promise.all([
      edge(one, '/v1/auth/rotation', { body, as }),
      otherEdge(other, '/v1/auth/rotation', { body, as }),
    ]);
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(replies.find(({ status }) => status !== 200)?.body).toMatchObject({
      code: 'join.rotation_out_of_order',
    });
    const rows = await one.store.db.selectFrom('authority').select('use').execute();
    expect(rows.map(({ use }) => use).toSorted()).toEqual(['host', 'host', 'user', 'user']);
    await settle(cluster, 2);
  });

  test('of one use leaves the other alone', async () => {
    cluster = await startCluster();
    const before = await trustOf(cluster.one);
    expect((await cluster.rotate('init', { type: 'user' })).body.uses).toEqual(['user']);
    const { hostCa, userCa } = await trustOf(cluster.one);
    expect(hostCa).toBe(before.hostCa);
    expect(splitPem(userCa)).toHaveLength(2);
  });

  test('is for who may rotate cert_authority', async () => {
    cluster = await startCluster();
    const { one, rotate } = cluster;
    const forward = await startEdge(one);
    expect((await forward(one, '/v1/auth/rotation', { body: { phase: 'init' } })).status).toBe(401);
    const agent = await joined(one);
    expect((await call(one, '/v1/auth/rotation', { body: { phase: 'init' }, as: agent })).status).toBe(403);
    expect((await rotate('update_servers')).body).toMatchObject({ code: 'join.rotation_out_of_order' });
    expect((await call<StatusReply>(one, '/v1/status', { as: agent })).body).not.toHaveProperty('rotation');
  });

  test('waits until every process has said that it follows, or goes on by force', async () => {
    cluster = await startCluster();
    const { one, other, rotate, status } = cluster;
    await one.store.db.updateTable('agent_key').set({ not_after: null }).execute();
    const [agent, silent] = [await joined(one), await joined(one)];
    await rotate('init');
    // Those that ask here join for each question: in this phase they follow it from the beginning.
    await one.store.db
      .updateTable('agent_key')
      .set({ trust_revision: 1 })
      .where('agent_id', 'not in', [agent.identity.agentId, silent.identity.agentId])
      .execute();
    const { agents } = (await status(one)).rotation!;
    expect(agents.total - agents.followed).toBe(2);
    await follow(other, agent, 1);
    const refused = await rotate('update_clients', { force: false });
    expect(refused.body).toMatchObject({
      code: 'join.rotation_not_followed',
      detail: expect.stringContaining('1 of '),
    });
    await follow(other, silent, 1);
    expect((await rotate('update_clients', { force: false })).body.phase).toBe('update_clients');
    // Nobody has followed what is not there yet.
    expect((await follow(other, agent, 1_000)).body).toEqual({ revision: 2 });
    expect((await status(one)).rotation?.agents).toMatchObject({ followed: expect.any(Number) });
    const { trust_revision } = await one.store.db
      .selectFrom('agent_key')
      .select('trust_revision')
      .where('agent_id', '=', agent.identity.agentId)
      .executeTakeFirstOrThrow();
    expect(trust_revision).toBe(2);
  });

  test('is told on the bus, signed by an authority that the hearer trusts', async () => {
    cluster = await startCluster();
    const { one, plane, rotate } = cluster;
    const { hostCa, userCa, statements } = await trustOf(one);
    const known = { clusterName, hostCa, userCa };
    expect(await readTrustNews(statements!, known)).toMatchObject({ revision: 0, hostCa, userCa });
    const heard: TrustMessage[] = [];
    plane.bus.subscribe(trustSubject, {}, (message) => void heard.push(message.json() as TrustMessage));
    await plane.bus.flush();
    await rotate('init');
    await until('the trust was told', () => heard.length > 1, { withinMs: 2_000 });
    const news = (await readTrustNews(heard[0]!.statements, known))!;
    expect(news).toMatchObject({ revision: 1, issuers: { agent: caPin(hostCa), svc: caPin(hostCa) } });
    expect(splitPem(news.hostCa)).toHaveLength(2);
  });

  test('keeps its private keys sealed, in the database and out of events (C-16)', async () => {
    cluster = await startCluster();
    const { one, rotate } = cluster;
    await rotate('init');
    const rows = await one.store.db.selectFrom('authority').selectAll().execute();
    expect(rows).toHaveLength(4);
    for (const { sealed_key } of rows) expect(sealed_key).toMatch(/^psl1\.[0-9a-f]{16}\.[\w-]+\.[\w-]+$/);
    expect(JSON.stringify(rows) + JSON.stringify(await recorded(one))).not.toContain('PRIVATE KEY');
  });

  test('cannot change the agent that a repeated join gets', async () => {
    cluster = await startCluster();
    const { one, rotate } = cluster;
    const body = await joinBody();
    const first = await call(one, '/v1/join', { body });
    await rotate('init');
    await rotate('update_clients');
    const again = await call(one, '/v1/join', { body });
    expect(again.body).toMatchObject({ agentId: first.body['agentId'], trustRevision: 2 });
  });
});

describe('an automatic rotation', () => {
  test('goes on by itself when the replica that began it is gone', async () => {
    cluster = await startCluster();
    const { one, other, rotate } = cluster;
    const { caPins } = await trustOf(one);
    const { body } = await rotate('init', { mode: 'automatic', graceSeconds: 3 });
    expect(body).toMatchObject({ mode: 'automatic', graceSeconds: 3, nextAt: expect.any(String) });
    await one[Symbol.asyncDispose]();
    await until(
      'the rotation has ended',
      async () => {
        const { caPins: pins } = await trustOf(other);
        return pins.length === 1 && pins[0] !== caPins[0];
      },
      { withinMs: 15_000 },
    );
    const types = (await recorded(other))
      .map(({ type }) => type)
      .filter((type) => type.startsWith('AuthorityRotation'));
    const advanced = 'AuthorityRotationAdvanced';
    expect(types).toEqual(['AuthorityRotationStarted', advanced, advanced, 'AuthorityRotationEnded']);
  });

  test('can be turned back by hand', async () => {
    cluster = await startCluster();
    const { one, rotate } = cluster;
    const before = await trustOf(one);
    await rotate('init', { mode: 'automatic', graceSeconds: 9_000 });
    expect((await rotate('rollback')).body).toMatchObject({ phase: 'rollback', mode: 'automatic' });
    await rotate('standby');
    expect((await settle(cluster, 1)).hostCa).toBe(before.hostCa);
  });
});

describe('the bus', () => {
  test('refuses who was left behind, and nobody else (C-13)', async () => {
    cluster = await startCluster(createOperatorConfig());
    const { one, rotate } = cluster;
    const join = async () => {
      const { publicKey: busKey } = createUserKey();
      const { key, csr } = await joiner();
      const { body } = await call<{ certificate: string }>(one, '/v1/join', {
        body: await joinBody({ busKey, csr }),
      });
      return { key, busKey, certificate: body.certificate };
    };
    const [behind, follower] = [await join(), await join()];
    await rotate('init');
    await rotate('update_clients');
    await renewed(one, follower);
    await rotate('update_servers');
    await rotate('standby');
    const rows = await one.store.db.selectFrom('bus_revocation').select('bus_key').execute();
    const keys = rows.map(({ bus_key }) => bus_key);
    expect(keys).toContain(behind.busKey);
    expect(keys).not.toContain(follower.busKey);
  });
});
