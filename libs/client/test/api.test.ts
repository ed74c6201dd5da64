import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FakeControlPlane, fakeControlPlane, temporaryFolder } from '@postern/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Api, locateIdentity, openApi, openIdentity } from '../src/index.ts';

let plane: FakeControlPlane;
let other: FakeControlPlane;

beforeAll(async () => {
  [plane, other] = await Promise.all([fakeControlPlane(), fakeControlPlane()]);
});

afterAll(async () => {
  await plane[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
});

beforeEach(() => {
  plane.requests.length = 0;
  plane.faults.length = 0;
  plane.resources.clear();
});

async function open(from: FakeControlPlane, options: { insecure?: boolean } = {}): Promise<Api> {
  const path = join(temporaryFolder(), 'id.pem');
  writeFileSync(path, await from.identity('ann'));
  const located = locateIdentity({ identity: path, env: { HOME: '/none' }, cwd: '/' });
  const { caPem, key, certificate } = await openIdentity(located, () => new Date());
  return openApi({ proxy: plane.proxy, caPem, identity: { key, certificate }, backoffMs: 1, ...options });
}

const role = (name: string) => ({ kind: 'role', version: 'v7', metadata: { name }, spec: {} });

describe('the API client', () => {
  test('acts as the user of its certificate', async () => {
    await using api = await open(plane);
    expect(await api.me()).toMatchObject({ user: 'ann', clusterName: 'example.test' });
  });

  test('creates, replaces, reads, lists and deletes', async () => {
    await using api = await open(plane);
    expect(await api.resources.create(role('a/b'))).toMatchObject({ created: true });
    expect(await api.resources.put(role('a/b'), { revision: '1' })).toMatchObject({ created: false });
    expect(await api.resources.get('role', 'a/b')).toMatchObject({
      metadata: { name: 'a/b', revision: '2' },
    });
    expect(await api.resources.list('role')).toHaveLength(1);
    await api.resources.delete('role', 'a/b');
    await expect(api.resources.get('role', 'a/b')).rejects.toMatchObject({
      kind: 'not_found',
      message: 'role "a/b" not found',
    });
  });

  test('repeats a command under the same id when it is told to come again', async () => {
    plane.faults.push(503, 503);
    await using api = await open(plane);
    await api.resources.put(role('a'));
    const ids = plane.requests.map(({ commandId }) => commandId);
    expect([ids.length, new Set(ids).size, typeof ids[0]]).toEqual([3, 1, 'string']);
  });

  test('repeats a command under the same id when the connection was cut after the work', async () => {
    plane.faults.push('cut');
    await using api = await open(plane);
    await api.resources.put(role('a'));
    expect(new Set(plane.requests.map(({ commandId }) => commandId)).size).toBe(1);
  });

  test('gives every command an id of its own', async () => {
    await using api = await open(plane);
    await api.resources.put(role('a'));
    await api.resources.put(role('a'));
    expect(new Set(plane.requests.map(({ commandId }) => commandId)).size).toBe(2);
  });

  test('gives up after four attempts', async () => {
    plane.faults.push(503, 503, 503, 503, 503);
    await using api = await open(plane);
    await expect(api.status()).rejects.toMatchObject({ kind: 'unavailable', code: 'test.fault' });
    expect(plane.requests).toHaveLength(4);
  });

  test('does not repeat what was refused', async () => {
    plane.faults.push(403);
    await using api = await open(plane);
    await expect(api.resources.put(role('a'))).rejects.toMatchObject({ kind: 'permission_denied' });
    expect(plane.requests).toHaveLength(1);
  });

  test('does not talk to a server of another authority', async () => {
    await using api = await open(other);
    await expect(api.status()).rejects.toMatchObject({
      code: 'client.untrusted_proxy',
      kind: 'unauthenticated',
    });
    expect(plane.requests).toEqual([]);
  });

  test('talks to it when told to be careless, and is not known there', async () => {
    await using api = await open(other, { insecure: true });
    await expect(api.status()).rejects.toMatchObject({ kind: 'unauthenticated' });
    expect(await api.ping()).toMatchObject({ cluster_name: 'example.test' });
  });

  test('tells that nothing listens', async () => {
    await using api = openApi({ proxy: '127.0.0.1:1', caPem: plane.caPem, backoffMs: 1 });
    await expect(api.ping()).rejects.toMatchObject({
      kind: 'unavailable',
      message: 'cannot reach the proxy at 127.0.0.1:1: connection refused',
    });
  });
});

describe('an identity', () => {
  test('that is over is refused before anything is sent', async () => {
    const path = join(temporaryFolder(), 'id.pem');
    writeFileSync(path, await plane.identity('ann', { ttlMs: 60_000 }));
    const located = locateIdentity({ identity: path, env: { HOME: '/none' }, cwd: '/' });
    const tomorrow = () => new Date(Date.now() + 86_400_000);
    await expect(openIdentity(located, tomorrow)).rejects.toMatchObject({ code: 'client.identity_expired' });
  });
});
