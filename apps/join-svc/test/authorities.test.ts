import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { newKeyText } from '@postern/identity';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { call, type ControlPlane, joined, joiner, recorded, startControlPlane } from './control-plane.ts';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane[Symbol.asyncDispose]());

describe('the authorities', () => {
  test('are made once, however many replicas start at the same moment', async () => {
    const replicas = await Promise.all([plane.replica(), plane.replica(), plane.replica()]);
    expect(new Set(replicas.map(({ ca }) => ca)).size).toBe(1);
    const events = await recorded(replicas[0]);
    expect(
      events
        .filter(({ type }) => type === 'AuthorityCreated')
        .map(({ stream }) => stream)
        .toSorted(),
    ).toEqual(['authority/host', 'authority/user']);
  });

  test('survive a restart, with everything they certified', async () => {
    const before = await plane.replica();
    const agent = await joined(before);
    await before[Symbol.asyncDispose]();
    const after = await plane.replica();
    expect(after.ca).toBe(before.ca);
    const { csr } = await joiner();
    expect((await call(after, '/v1/renew', { body: { csr }, as: agent })).status).toBe(200);
  });

  test('are shared: what one replica certified another renews', async () => {
    const [one, other] = await Promise.all([plane.replica(), plane.replica()]);
    const agent = await joined(one);
    const { csr } = await joiner();
    expect((await call(other, '/v1/renew', { body: { csr }, as: agent })).status).toBe(200);
  });

  test('do not open with another key', async () => {
    await plane.replica();
    await expect(plane.replica({ key: newKeyText() })).rejects.toThrow('cannot be opened');
  });

  test('do not change hands to a cluster of another name', async () => {
    await plane.replica();
    await expect(plane.replica({ clusterName: 'other' })).rejects.toThrow('belongs to the cluster postern');
  });

  test('leave the public certificate in the data directory', async () => {
    const { ca } = await plane.replica();
    const path = join(plane.dataDir, 'ca.pem');
    expect(await readFile(path, 'utf8')).toBe(ca);
    expect((await stat(path)).mode & 0o777).toBe(0o644);
  });

  test('keep their private keys out of the database', async () => {
    const { store } = await plane.replica();
    const rows = await store.db.selectFrom('authority').selectAll().execute();
    for (const { sealed_key } of rows) expect(sealed_key).toMatch(/^psl1\.[0-9a-f]{16}\.[\w-]+\.[\w-]+$/);
  });
});
