import { describe, expect, test } from 'vitest';
import {
  newUnwrapping,
  newViewKey,
  openFromView,
  readRecipient,
  sealForView,
  wrapViewKeys,
} from './view-sealing.ts';

const place = { hash: 'a'.repeat(32), kind: 'kube_cluster', id: 'prod', rev: 4 };
const canary = 'canary-kubeconfig-7c2e';

describe('a sealed entry', () => {
  test('opens with the key of its epoch, at its place', async () => {
    const key = newViewKey();
    const sealed = await sealForView({ epoch: 3, key }, place, canary);
    expect(sealed).not.toContain(canary);
    const keys = new Map([
      [2, newViewKey()],
      [3, key],
    ]);
    expect(await openFromView(keys, place, sealed)).toBe(canary);
  });

  test('does not open in another view, as another entry, or as another revision', async () => {
    const key = newViewKey();
    const sealed = await sealForView({ epoch: 3, key }, place, canary);
    const moved = [{ hash: 'b'.repeat(32) }, { kind: 'role' }, { id: 'other' }, { rev: 3 }, { rev: 5 }];
    for (const change of moved) {
      await expect(openFromView(new Map([[3, key]]), { ...place, ...change }, sealed)).rejects.toMatchObject({
        code: 'identity.not_sealed_for_this',
      });
    }
  });

  test('does not open with the key of another epoch, or under a header that was changed', async () => {
    const key = newViewKey();
    const sealed = await sealForView({ epoch: 4, key: newViewKey() }, place, canary);
    const [, ...rest] = sealed.split('.');
    const header = {
      alg: 'dir',
      enc: 'A256GCM',
      kid: '3',
      view: place.hash,
      kind: place.kind,
      id: 'prod',
      rev: 4,
    };
    const forged = [Buffer.from(JSON.stringify(header)).toString('base64url'), ...rest].join('.');
    for (const text of [sealed, forged, '', 'a.b.c.d.e', `${sealed}x`]) {
      await expect(openFromView(new Map([[3, key]]), place, text)).rejects.toMatchObject({
        code: 'identity.not_sealed_for_this',
      });
    }
  });
});

describe('wrapped keys', () => {
  const whom = { hash: place.hash, agentId: 'a1' };

  test('are read by who asked for them only', async () => {
    const keys = new Map([
      [1, newViewKey()],
      [2, newViewKey()],
    ]);
    const [own, other] = [await newUnwrapping(), await newUnwrapping()];
    const wrapped = await wrapViewKeys(keys, own.recipient, whom);
    expect(await own.unwrap(wrapped, whom)).toEqual(keys);
    const refused = { code: 'identity.not_sealed_for_this' };
    await expect(other.unwrap(wrapped, whom)).rejects.toMatchObject(refused);
    await expect(own.unwrap(wrapped, { ...whom, agentId: 'a2' })).rejects.toMatchObject(refused);
    await expect(own.unwrap(wrapped, { ...whom, hash: 'c'.repeat(32) })).rejects.toMatchObject(refused);
  });

  test('are not wrapped for anything but an X25519 key', () => {
    const { x } = { x: 'A'.repeat(43) };
    const cases = [
      undefined,
      null,
      [],
      'key',
      { kty: 'EC', crv: 'P-256', x },
      { kty: 'OKP', crv: 'Ed25519', x },
      { kty: 'OKP', crv: 'X25519', x: 'A'.repeat(42) },
      { kty: 'OKP', crv: 'X25519', x: `${'A'.repeat(42)}=` },
      { kty: 'oct', k: x },
    ];
    for (const recipient of cases)
      expect(() => readRecipient(recipient)).toThrow(expect.objectContaining({ kind: 'permission_denied' }));
    expect(readRecipient({ kty: 'OKP', crv: 'X25519', x, d: 'more', __proto__: null })).toEqual({
      kty: 'OKP',
      crv: 'X25519',
      x,
    });
  });
});
