import { createUserKey } from '@postern/bus';
import { X509Certificate } from 'node:crypto';
import type { IssuedIdentity } from '@postern/contracts';
import { sha256Hex } from '@postern/core';
import { principalOf } from '@postern/identity';
import { until } from '@postern/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  call,
  type ControlPlane,
  joinBody,
  type JoinBody,
  joined,
  joiner,
  putToken,
  recorded,
  type Replica,
  serviceToken,
  startControlPlane,
  startEdge,
} from './control-plane.ts';

let plane: ControlPlane;
let replica: Replica;
const kubeToken = 'canary-kube-token-0123456789abcdef';
const staticToken = 'canary-static-token-0123456789ab';

beforeAll(async () => {
  plane = await startControlPlane();
  await putToken(plane.views, kubeToken, { roles: ['Kube', 'Discovery'], join_method: 'token' });
  await putToken(
    plane.views,
    'expired-token-0123456789',
    { roles: ['Kube'], join_method: 'token' },
    '2020-01-01T00:00:00Z',
  );
  await putToken(plane.views, 'iam-token', { roles: ['Kube'], join_method: 'iam' });
  replica = await plane.replica({ staticTokens: [{ id: sha256Hex(staticToken), roles: ['Node'] }] });
});
afterAll(() => plane[Symbol.asyncDispose]());

const join = async (changes: Partial<JoinBody> = {}) =>
  call<IssuedIdentity>(replica, '/v1/join', { body: await joinBody(changes) });
const events = async (type: string) => (await recorded(replica)).filter((event) => event.type === type);
const certificateOf = ({ certificate }: IssuedIdentity) => new X509Certificate(certificate);

describe('a join', () => {
  test('with the service token makes an agent with a certificate of its own', async () => {
    const { key, csr, publicKey } = await joiner();
    const { status, body } = await join({ csr });
    expect(status).toBe(200);
    expect(body).toMatchObject({ clusterName: 'postern', roles: ['Kube'], generation: 1 });
    expect(body.agentId).toMatch(/^[0-9a-f-]{36}$/);
    const principal = principalOf(certificateOf(body), { ...body });
    expect(principal).toMatchObject({ type: 'agent', id: body.agentId, roles: ['Kube'], generation: 1 });
    expect(certificateOf(body).publicKey.export({ type: 'spki', format: 'pem' })).toBe(publicKey);
    expect(key).not.toBe('');
    const [event] = (await events('AgentJoined')).filter(({ data }) => data['agentId'] === body.agentId);
    expect(event?.data).toMatchObject({
      method: 'token',
      roles: ['Kube'],
      hostname: 'host-1',
      sourceIp: '127.0.0.1',
    });
  });

  test('with a token from a resource makes an agent with the roles it asks for', async () => {
    const { body } = await join({ token: kubeToken, roles: ['Kube', 'Discovery'] });
    expect(body.roles).toEqual(['Discovery', 'Kube']);
  });

  test('with a static token makes an agent with its roles and no others', async () => {
    const { body } = await join({ token: staticToken, roles: ['Node'] });
    expect(body.roles).toEqual(['Node']);
    const [event] = (await events('AgentJoined')).filter(({ data }) => data['agentId'] === body.agentId);
    expect(event?.data).toMatchObject({ token: expect.stringMatching(/^\*+[^*]{8}$/), roles: ['Node'] });
    expect((await join({ token: staticToken, roles: ['Kube'] })).status).toBe(403);
  });

  test('of an edge makes a service, good for the public addresses', async () => {
    const { body } = await join({ roles: ['Proxy', 'Kube'] });
    const certificate = certificateOf(body);
    expect(principalOf(certificate, body, { purpose: 'server' }).type).toBe('svc');
    expect(certificate.checkHost('join.example.com')).toBeDefined();
    expect(certificate.checkIP('127.0.0.1')).toBeDefined();
  });

  test('of an agent gives no name that belongs to the control plane', async () => {
    const { body } = await join();
    const certificate = certificateOf(body);
    expect(certificate.checkHost('join.example.com')).toBeUndefined();
    expect(certificate.checkHost(body.agentId)).toBe(body.agentId);
  });

  test('that is repeated with another token and other roles gets what was recorded', async () => {
    const { csr } = await joiner();
    const same = { csr, joinId: crypto.randomUUID(), busKey: createUserKey().publicKey };
    const first = await join({ ...same, token: kubeToken, roles: ['Kube'] });
    const again = await join({ ...same, roles: ['Proxy'] });
    expect([first.body.roles, again.body.roles]).toEqual([['Kube'], ['Kube']]);
    expect(principalOf(certificateOf(again.body), again.body).roles).toEqual(['Kube']);
  });

  test('with a token that was made a moment before finds it', async () => {
    const joining = join({ token: 'made-just-now-0123456789' });
    await putToken(plane.views, 'made-just-now-0123456789', { roles: ['Kube'], join_method: 'token' });
    expect((await joining).status).toBe(200);
  });
});

test('a join through an edge is recorded with where it came from', async () => {
  const ask = await startEdge(replica);
  const { body } = await ask<IssuedIdentity>(replica, '/v1/join', { body: await joinBody() });
  const [event] = (await events('AgentJoined')).filter(({ data }) => data['agentId'] === body.agentId);
  expect(event?.data['sourceIp']).toBe('192.0.2.7');
});

test('an agent renews through an edge as well as without one', async () => {
  const ask = await startEdge(replica);
  const agent = await joined(replica);
  const { csr } = await joiner();
  const { body } = await ask<IssuedIdentity>(replica, '/v1/renew', { body: { csr }, as: agent });
  expect(body).toMatchObject({ agentId: agent.identity.agentId, generation: 2 });
});

describe('a refused join', () => {
  const cases: [string, Partial<JoinBody>, string][] = [
    ['an unknown token', { token: 'unknown-token-0123456789' }, 'the token is unknown'],
    ['an expired token', { token: 'expired-token-0123456789' }, 'the token has expired'],
    ['a token of another method', { token: 'iam-token' }, 'the token is for the method iam'],
    [
      'a method that does not exist',
      { token: kubeToken, method: 'magic' },
      'the token is for the method token',
    ],
  ];
  const wishes: typeof cases = [
    ['a role too many', { token: kubeToken, roles: ['Kube', 'Auth'] }, 'does not allow the role Auth'],
    [
      'the roles of the control plane',
      { token: kubeToken, roles: ['Proxy'] },
      'does not allow the role Proxy',
    ],
    ['a role that is none', { token: kubeToken, roles: ['Admin'] }, 'does not allow the role Admin'],
  ];

  test('looks the same whatever the reason, and takes as long', async () => {
    const answers = await Promise.all(
      cases.map(async ([, changes]) => {
        const since = performance.now();
        const { status, body } = await join(changes);
        const { traceId: _, ...told } = body as unknown as Record<string, unknown>;
        return { status, told, ms: performance.now() - since };
      }),
    );
    for (const { status, told, ms } of answers) {
      expect({ status, told }).toEqual({ status: answers[0]!.status, told: answers[0]!.told });
      expect(ms).toBeGreaterThanOrEqual(290);
    }
    expect(answers[0]).toMatchObject({
      status: 403,
      told: {
        detail: 'the join was refused: check the token, its roles and its expiry on the control plane',
      },
    });
  });

  test('for its roles is told to whoever knows the token, and to nobody else (J-14)', async () => {
    const roles = ['Kube', 'Auth', 'Proxy'];
    const detailOf = async (changes: Partial<JoinBody>) =>
      ((await join({ roles, ...changes })).body as unknown as { detail: string }).detail;
    expect(await detailOf({ token: kubeToken })).toBe(
      'the token does not allow the role Auth, Proxy: it allows Kube, Discovery',
    );
    for (const token of ['unknown-token-0123456789', 'expired-token-0123456789', 'iam-token'])
      expect(await detailOf({ token })).toMatch(/^the join was refused: check the token/);
  });

  test.each([...cases, ...wishes])('for %s is recorded with its reason', async (name, changes, reason) => {
    const hostname = name.replaceAll(' ', '-');
    await join({ ...changes, hostname });
    const refused = (await events('JoinRefused')).find(({ data }) => data['hostname'] === hostname);
    expect(refused?.data['reason']).toContain(reason);
  });

  test('is recorded each time, also under one command id', async () => {
    const headers = { 'postern-command-id': '00000000-0000-4000-8000-000000000001' };
    for (const hostname of ['hidden-1', 'hidden-2']) {
      const body = await joinBody({ token: 'unknown-token-0123456789', hostname });
      expect((await call(replica, '/v1/join', { body, headers })).status).toBe(403);
    }
    const hosts = (await events('JoinRefused')).map(({ data }) => data['hostname']);
    expect(hosts).toEqual(expect.arrayContaining(['hidden-1', 'hidden-2']));
  });

  test('does not say whether a bad request had a good token', async () => {
    const csr = '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----';
    const answers = await Promise.all([join({ csr }), join({ csr, token: 'unknown-token-0123456789' })]);
    const [good, bad] = answers.map(({ status, body }) => ({
      status,
      detail: (body as unknown as { detail: string }).detail,
    }));
    expect(good).toEqual(bad);
    expect(good?.status).toBe(400);
  });

  test.each([
    ['an unknown field', { sans: ['c2'] }],
    ['a join id that is no UUID', { joinId: '../x' }],
    ['no roles', { roles: [] }],
    ['a token of a megabyte', { token: 'x'.repeat(1_000_000) }],
  ])('with %s is not even looked at', async (_, changes) => {
    expect((await join(changes as Partial<JoinBody>)).status).toBeGreaterThanOrEqual(400);
  });
});

describe('a repeated join', () => {
  test('a hundred times at once makes one agent', async () => {
    const body = await joinBody();
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => call<IssuedIdentity>(replica, '/v1/join', { body })),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const ids = new Set(answers.map(({ body }) => body.agentId));
    expect(ids.size).toBe(1);
    const [id] = ids;
    expect((await events('AgentJoined')).filter(({ data }) => data['agentId'] === id)).toHaveLength(1);
  });

  test('with another key is refused', async () => {
    const first = await joinBody();
    expect((await join(first)).status).toBe(200);
    const { csr } = await joiner();
    expect((await join({ ...first, csr, hostname: 'thief' })).status).toBe(403);
    const refused = (await events('JoinRefused')).find(({ data }) => data['hostname'] === 'thief');
    expect(refused?.data['reason']).toContain('used before');
  });

  test('under another join id with the same key is refused (C-14)', async () => {
    const { csr } = await joiner();
    expect((await join({ csr })).status).toBe(200);
    expect((await join({ csr, hostname: 'copy' })).status).toBe(403);
    const refused = (await events('JoinRefused')).find(({ data }) => data['hostname'] === 'copy');
    expect(refused?.data['reason']).toContain('another agent has this key');
  });
});

test('guesses of a token are bounded, and none of what is stored or logged tells one (J-12)', async () => {
  // Time forgives failures, and does not pass here.
  const at = new Date();
  const staticTokens = [{ id: sha256Hex(staticToken), roles: ['Node'] }];
  await using own = await plane.replica({ clock: () => at, staticTokens });
  await until('it knows tokens', async () => {
    const body = await joinBody({ token: kubeToken });
    return (await call(own, '/v1/join', { body })).status === 200;
  });
  const { csr } = await joiner();
  const guess = async (nth: number) => {
    const body = await joinBody({
      csr,
      token: `${staticToken.slice(0, -3)}${nth.toString(16).padStart(3, '0')}`,
    });
    return (await call(own, '/v1/join', { body })).status;
  };
  const statuses: number[] = [];
  // Each has a connection of its own, and client and server are one process.
  for (let from = 0; from < 260; from += 20)
    statuses.push(...(await Promise.all(Array.from({ length: 20 }, (_, nth) => guess(from + nth)))));
  expect(new Set(statuses)).toEqual(new Set([403, 429]));
  const refused = (await events('JoinRefused')).filter(
    ({ data }) => data['reason'] === 'the token is unknown',
  );
  expect(refused.length).toBeGreaterThanOrEqual(statuses.filter((status) => status === 403).length);
  const dump = await dumpOf(own);
  expect(dump).toContain('JoinRefused');
  for (const token of [staticToken, kubeToken, serviceToken, staticToken.slice(0, -3)]) {
    expect(dump).not.toContain(token);
    expect(plane.telemetry.lines.join('\n')).not.toContain(token);
  }
});

/** Everything that the database of a replica holds. */
async function dumpOf({ store: { db } }: Pick<Replica, 'store'>): Promise<string> {
  const { rows: tables } = await sql<{ name: string }>`
    select table_name as name from information_schema.tables where table_schema = current_schema()`.execute(
    db,
  );
  const texts = await Promise.all(
    tables.map(async ({ name }) => {
      const { rows } = await sql<{ text: string | null }>`
        select string_agg(each::text, ' ') as text from ${sql.table(name)} as each`.execute(db);
      return rows[0]?.text ?? '';
    }),
  );
  return texts.join('\n');
}

test('no token and no private key is in an event, in the database or in a log (J-16, C-16)', async () => {
  await join({ token: kubeToken });
  const everything = JSON.stringify(await recorded(replica));
  const authorities = JSON.stringify(await replica.store.db.selectFrom('authority').selectAll().execute());
  for (const text of [everything, authorities, plane.telemetry.lines.join('\n')]) {
    expect(text).not.toContain(kubeToken);
    expect(text).not.toContain(serviceToken);
    expect(text).not.toContain('PRIVATE KEY');
  }
});
