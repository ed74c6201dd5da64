import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import type { MeReply, SignedCertificate, StatusReply, TrustReply } from '@postern/contracts';
import { caPin, principalOf } from '@postern/identity';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  administrator,
  call,
  type ControlPlane,
  type Credential,
  joined,
  joiner,
  recorded,
  type Replica,
  startControlPlane,
  startEdge,
} from './control-plane.ts';

let plane: ControlPlane;
let replica: Replica;
let admin: Credential;
let adminFile: string;
/** As a user, through an edge. */
let ask: typeof call;

const role = (name: string, spec: Record<string, unknown>) =>
  plane.views.put('role', name, { kind: 'role', version: 'v7', metadata: { name }, spec });
const user = (name: string, spec: Record<string, unknown>) =>
  plane.views.put('user', name, {
    kind: 'user',
    version: 'v2',
    metadata: { name },
    spec: { traits: {}, ...spec },
  });

beforeAll(async () => {
  plane = await startControlPlane();
  await role('editor', { allow: { rules: [{ resources: ['*'], verbs: ['*'] }] } });
  await role('access', {
    allow: {
      kubernetes_labels: { '*': '*' },
      kubernetes_groups: ['{{internal.kubernetes_groups}}', 'viewers'],
      kubernetes_resources: [{ kind: '*', namespace: '*', name: '*', verbs: ['*'] }],
    },
  });
  await role('short', { options: { max_session_ttl: '10m' } });
  await user('admin', { roles: ['access', 'editor'], traits: { kubernetes_groups: ['postern:admins'] } });
  await user('alice', { roles: ['access'] });
  await user('brief', { roles: ['access', 'short'] });
  await user('locked', { roles: ['access'], status: { is_locked: true } });
  await user('gone', { roles: ['access'], expires: '2020-01-01T00:00:00Z' });
  adminFile = join(plane.dataDir, 'admin-identity.pem');
  replica = await plane.replica({ adminIdentityFile: adminFile });
  admin = await administrator(adminFile);
  ask = await startEdge(replica);
  await vi.waitFor(async () => expect((await ask(replica, '/v1/me', { as: admin })).status).toBe(200));
});
afterAll(() => plane[Symbol.asyncDispose]());

async function sign(name: string | undefined, as: Credential, ttlSeconds = 3600) {
  const { key, csr } = await joiner();
  const request = { csr, ttlSeconds, ...(name === undefined ? {} : { user: name }) };
  const { status, body } = await ask<SignedCertificate>(replica, '/v1/auth/sign', { body: request, as });
  return { status, body, credential: { key, certificate: body.certificate } };
}

const trust = async () => (await call<TrustReply>(replica, '/v1/trust')).body;
const principal = async (certificate: string) => principalOf(new X509Certificate(certificate), await trust());
const secondsLeft = (certificate: string) =>
  (new X509Certificate(certificate).validToDate.getTime() - Date.now()) / 1000;

describe('the administrator', () => {
  test('is known by the file that was written at the start', async () => {
    const { body } = await ask<MeReply>(replica, '/v1/me', { as: admin });
    expect(body).toMatchObject({
      user: 'admin',
      clusterName: 'postern',
      roles: ['access', 'editor'],
      traits: { kubernetes_groups: ['postern:admins'] },
    });
    expect(body.kubernetesGroups).toEqual(expect.arrayContaining(['postern:admins', 'viewers']));
    expect((await stat(adminFile)).mode & 0o777).toBe(0o600);
  });

  test('signs a certificate for another user, in a session that is recorded', async () => {
    const { status, body } = await sign('alice', admin);
    expect(status).toBe(200);
    const found = await principal(body.certificate);
    expect(found).toMatchObject({ type: 'user', id: 'alice', roles: [] });
    const started = (await recorded(replica)).find(({ stream }) => stream === `session/${found.session}`);
    expect(started).toMatchObject({
      type: 'SessionStarted',
      data: { user: 'alice', by: 'spiffe://postern/user/admin' },
    });
  });

  test('gets no more life for a user than the service and the roles allow', async () => {
    expect(secondsLeft((await sign('alice', admin, 31_536_000)).body.certificate)).toBeCloseTo(43_200, -2);
    expect(secondsLeft((await sign('brief', admin, 3600)).body.certificate)).toBeCloseTo(600, -1);
  });

  test.each([
    ['nobody', undefined, 400],
    ['an unknown user', 'nobody', 404],
    ['a locked user', 'locked', 403],
    ['a user who has expired', 'gone', 403],
  ])('signs nothing for %s', async (_, name, status) => {
    expect((await sign(name, admin)).status).toBe(status);
  });

  test('signs for a user who was made a moment before', async () => {
    const signing = sign('newcomer', admin);
    await user('newcomer', { roles: ['access'] });
    expect((await signing).status).toBe(200);
  });
});

describe('a user', () => {
  test('without the right to signs for nobody, not even for the own name', async () => {
    const { credential } = await sign('alice', admin);
    const { status, body } = await sign('admin', credential);
    expect(status).toBe(403);
    expect(body).toMatchObject({ code: 'join.may_not_sign' });
    expect((await sign('alice', credential)).status).toBe(403);
  });

  test('gets certificates for other keys in the same session, which they do not outlive', async () => {
    const { credential } = await sign('alice', admin, 600);
    const { csr } = await joiner();
    const { body } = await ask<SignedCertificate>(replica, '/v1/certificates', {
      body: { csr, ttlSeconds: 3600 },
      as: credential,
    });
    const [first, second] = [await principal(credential.certificate), await principal(body.certificate)];
    expect(second).toMatchObject({ id: 'alice', session: first.session });
    expect(second.notAfter.getTime()).toBeLessThanOrEqual(first.notAfter.getTime());
  });

  test('gets no certificate in the name of another', async () => {
    const { credential } = await sign('alice', admin);
    const { csr } = await joiner();
    const body = { csr, ttlSeconds: 3600, user: 'admin' };
    expect((await ask(replica, '/v1/certificates', { body, as: credential })).status).toBe(403);
  });
});

describe('a certificate of a user', () => {
  const renewed = async (credential: Credential) => {
    const { csr } = await joiner();
    const request = { body: { csr, ttlSeconds: 60 }, as: credential };
    return (await ask(replica, '/v1/certificates', request)).status;
  };

  test.each<[string, (name: string) => Promise<void>, number]>([
    ['who was locked', (name) => user(name, { roles: ['access'], status: { is_locked: true } }), 403],
    ['who has expired', (name) => user(name, { roles: ['access'], expires: '2020-01-01T00:00:00Z' }), 403],
    ['who was removed', (name) => plane.views.put('user', name), 404],
  ])('%s is not renewed, and proves nothing', async (what, end, status) => {
    const name = what.replaceAll(' ', '-');
    await user(name, { roles: ['access', 'editor'] });
    const { credential } = await sign(name, admin);
    expect(await renewed(credential)).toBe(200);
    expect((await sign('alice', credential)).status).toBe(200);
    await end(name);
    await vi.waitFor(async () => expect(await renewed(credential)).toBe(status), 5_000);
    expect((await sign('alice', credential)).status).toBe(status);
  });

  test('who has lost a role gets nothing by it any more', async () => {
    await user('demoted', { roles: ['access', 'editor'] });
    const { credential } = await sign('demoted', admin);
    expect((await sign('alice', credential)).status).toBe(200);
    await user('demoted', { roles: ['access'] });
    await vi.waitFor(async () => expect((await sign('alice', credential)).status).toBe(403), 2_000);
  });
});

test('a user who comes without an edge is nobody', async () => {
  expect((await call(replica, '/v1/me', { as: admin })).status).toBe(401);
});

describe('an agent', () => {
  test.each(['/v1/auth/sign', '/v1/certificates'])('gets nothing at %s', async (path) => {
    const agent = await joined(replica, ['Proxy', 'Auth', 'Kube']);
    const { csr } = await joiner();
    const { status } = await call(replica, path, {
      body: { csr, ttlSeconds: 3600, user: 'admin' },
      as: agent,
    });
    expect(status).toBe(403);
  });
});

describe('the trust of the cluster', () => {
  test('is told to everybody, with its pin', async () => {
    const { hostCa, userCa, caPins, clusterName } = await trust();
    expect(clusterName).toBe('postern');
    expect(caPins).toEqual([caPin(hostCa)]);
    expect(caPin(userCa)).not.toBe(caPin(hostCa));
  });

  test('is part of the status, which is told to those with a certificate', async () => {
    expect((await call(replica, '/v1/status')).status).toBe(401);
    const { body } = await ask<StatusReply>(replica, '/v1/status', { as: admin });
    expect(body).toMatchObject({ clusterName: 'postern', caPins: [caPin(replica.ca)] });
  });
});
