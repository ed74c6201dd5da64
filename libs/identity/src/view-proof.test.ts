import { systemClock } from '@postern/core';
import { describe, expect, test } from 'vitest';
import { createAuthority } from './authority.ts';
import { issueCertificate } from './certificate.ts';
import { HeldIdentity } from './held-identity.ts';
import { generateKeyPair } from './keys.ts';
import { signViewProof, verifyViewProof } from './view-proof.ts';
import { newUnwrapping } from './view-sealing.ts';

const clusterName = 'postern';
const make = (use: 'host' | 'user') => createAuthority({ use, clusterName, clock: systemClock });
const [host, user, foreign] = await Promise.all([make('host'), make('user'), make('host')]);
const trust = { hostCa: host.certificate, userCa: user.certificate, clusterName };
const hash = 'a'.repeat(32);
const now = new Date();
const later = (seconds: number) => new Date(now.getTime() + seconds * 1000);

async function held(id: string, authority = host): Promise<HeldIdentity> {
  const { privateKey, publicKey } = await generateKeyPair();
  const certificate = await issueCertificate(authority, {
    type: 'agent',
    id,
    roles: ['Kube'],
    publicKey,
    generation: 1,
    notAfter: later(7200),
    dnsNames: [],
    ipAddresses: [],
  });
  return new HeldIdentity({ key: privateKey, certificate, ...trust, hostCa: authority.certificate });
}

const verify = (proof: Awaited<ReturnType<typeof signViewProof>>, other: object = {}) =>
  verifyViewProof(proof, { agentId: 'a1', hash, trust, at: now, ...other });

describe('a proof of who asks about a view', () => {
  test('tells the roles of the agent and whom its keys are for', async () => {
    const { recipient } = await newUnwrapping();
    const proof = await signViewProof(await held('a1'), { hash, recipient }, () => now);
    expect(await verify(proof)).toMatchObject({ principal: { id: 'a1', roles: ['Kube'] }, recipient });
    const plain = await signViewProof(await held('a1'), { hash }, () => now);
    expect((await verify(plain)).recipient).toBeUndefined();
  });

  test('is good for one agent, one view and one minute', async () => {
    const proof = await signViewProof(await held('a1'), { hash }, () => now);
    expect(await verify(proof, { at: later(50) })).toBeDefined();
    for (const other of [{ agentId: 'a2' }, { hash: 'b'.repeat(32) }, { at: later(70) }, { at: later(-70) }])
      await expect(verify(proof, other)).rejects.toMatchObject({ kind: 'unauthenticated' });
  });

  test('needs a certificate of our authority and the key of that certificate', async () => {
    const [own, other] = [await held('a1'), await held('a1')];
    const stranger = await signViewProof(await held('a1', foreign), { hash }, () => now);
    await expect(verify(stranger)).rejects.toMatchObject({ code: 'identity.untrusted_certificate' });
    const proof = await signViewProof(own, { hash }, () => now);
    const mixed = { ...proof, certificate: other.current().certificate };
    await expect(verify(mixed)).rejects.toMatchObject({ code: 'identity.invalid_view_proof' });
    await expect(verify({ ...proof, certificate: 'no certificate' })).rejects.toMatchObject({
      code: 'identity.invalid_view_proof',
    });
  });

  test('is no other statement that somebody signed', async () => {
    const own = await held('a1');
    const { statement } = await signViewProof(own, { hash }, () => now);
    const [, claims, signature] = statement.split('.');
    const unsigned = Buffer.from(JSON.stringify({ alg: 'none', typ: 'postern-view+jwt' })).toString(
      'base64url',
    );
    for (const forged of [`${unsigned}.${claims}.`, `${unsigned}.${claims}.${signature}`, '', 'a.b.c']) {
      const proof = { certificate: own.current().certificate, statement: forged };
      await expect(verify(proof)).rejects.toMatchObject({ code: 'identity.invalid_view_proof' });
    }
  });
});
