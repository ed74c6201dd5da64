import { randomBytes } from 'node:crypto';
import { kubeClusterKind, type Resource, tokenKind } from '@postern/contracts';
import { Secret, sha256Hex } from '@postern/core';
import { CannotUnseal, createSealer } from '@postern/identity';
import { describe, expect, test } from 'vitest';
import { idOf, publicName } from './resource-name.ts';
import { emptiedPaths, joinSecrets, sealSecrets, splitSecrets } from './secrets.ts';

const cluster: Resource = {
  kind: 'kube_cluster',
  version: 'v3',
  metadata: { name: 'c' },
  spec: { kubeconfig: 'canary' },
};

function token(join_method: string): Resource {
  return {
    kind: 'token',
    version: 'v2',
    metadata: { name: '0123456789abcdef' },
    spec: { roles: ['Kube'], join_method },
  };
}

describe('the secrets of a resource', () => {
  test('are taken out and put back', () => {
    const { resource, secrets } = splitSecrets(kubeClusterKind, cluster);
    expect(JSON.stringify(resource)).not.toContain('canary');
    const opened = new Map([...secrets].map(([path, text]) => [path, new Secret(text)]));
    expect(joinSecrets(resource, opened)).toEqual(cluster);
  });

  test('include the name of a token that is a secret', () => {
    const { resource, secrets } = splitSecrets(tokenKind, token('token'));
    expect(resource.metadata.name).toBe('************cdef');
    expect([...secrets]).toEqual([['metadata.name', '0123456789abcdef']]);
  });

  test('do not include the name of a token that proves something else', () => {
    const { resource, secrets } = splitSecrets(tokenKind, token('kubernetes'));
    expect(resource.metadata.name).toBe('0123456789abcdef');
    expect(secrets.size).toBe(0);
  });

  test('are emptied by an empty text and kept when left out', () => {
    expect(emptiedPaths(kubeClusterKind, { spec: { kubeconfig: ' ' } })).toEqual(['spec.kubeconfig']);
    for (const spec of [{}, null, { kubeconfig: 'x' }, { kubeconfig: null }]) {
      expect(emptiedPaths(kubeClusterKind, { spec })).toEqual([]);
    }
  });

  test('open only in the place they were sealed for', async () => {
    const sealer = createSealer(randomBytes(32));
    const [sealed] = await sealSecrets(sealer, { kind: 'a', id: 'b' }, new Map([['p', 'canary']]), 'command');
    expect(sealed?.sealed).not.toContain('canary');
    const context = (...parts: string[]) => JSON.stringify(['resource', ...parts]);
    expect((await sealer.unseal(sealed!.sealed, context('a', 'b', 'p'))).reveal()).toBe('canary');
    await expect(sealer.unseal(sealed!.sealed, context('a', 'c', 'p'))).rejects.toThrow(
      CannotUnseal('').message,
    );
  });
});

describe('the id of a resource', () => {
  test('is its name, and the digest of the name for a token', () => {
    expect(idOf(kubeClusterKind, 'c')).toBe('c');
    expect(idOf(tokenKind, 'c')).toBe(sha256Hex('c'));
    expect(publicName(tokenKind, token('token'))).not.toContain('0123');
  });
});
