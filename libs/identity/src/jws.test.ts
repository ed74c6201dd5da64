import { createHmac, X509Certificate } from 'node:crypto';
import { SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  createAuthority,
  generateKeyPair,
  type GrantSigner,
  HeldIdentity,
  issueCertificate,
  type Peer,
  type Principal,
  signAssertion,
  signGrant,
  verifyAssertion,
  verifyGrant,
} from './index.ts';

const now = new Date('2026-11-21T12:00:00Z');
const clock = () => now;
const session = '0198a000-0000-7000-8000-000000000001';
const notAfter = new Date(now.getTime() + 3_600_000);

interface Party {
  readonly held: HeldIdentity;
  readonly peer: Peer;
}

let edge: Party;
let otherEdge: Party;
let service: Party;
const alice: Principal = {
  type: 'user',
  id: 'alice',
  clusterName: 'postern',
  session,
  roles: [],
  notAfter,
  fingerprint: 'f'.repeat(64),
};

beforeAll(async () => {
  const host = await createAuthority({ use: 'host', clusterName: 'postern', clock });
  const user = await createAuthority({ use: 'user', clusterName: 'postern', clock });
  const party = async (id: string, role: string): Promise<Party> => {
    const { privateKey, publicKey } = await generateKeyPair();
    const certificate = await issueCertificate(host, {
      type: 'svc',
      id,
      publicKey,
      notAfter,
      generation: 1,
      roles: [role],
    });
    const material = {
      key: privateKey,
      certificate,
      hostCa: host.certificate,
      userCa: user.certificate,
      clusterName: 'postern',
    };
    const held = new HeldIdentity(material, clock);
    return {
      held,
      peer: { certificate: new X509Certificate(certificate), principal: held.current().principal },
    };
  };
  [edge, otherEdge, service] = await Promise.all([
    party('edge-1', 'Proxy'),
    party('edge-2', 'Proxy'),
    party('resource-1', 'Auth'),
  ]);
});

const call = { principal: alice, requestId: 'r1', sourceIp: '192.0.2.1' };
const audience = 'resource-svc';
const assertion = (at = now) => signAssertion(edge.held.current(), call, { audience, at });
const plus = (seconds: number) => new Date(now.getTime() + seconds * 1000);

describe('an assertion', () => {
  test('tells the service who calls', async () => {
    expect(await verifyAssertion(await assertion(), { peer: edge.peer, audience, at: now })).toEqual(call);
  });

  test('of nobody is told as such', async () => {
    const anonymous = { ...call, principal: undefined };
    const token = await signAssertion(edge.held.current(), anonymous, { audience, at: now });
    expect(await verifyAssertion(token, { peer: edge.peer, audience, at: now })).toEqual(anonymous);
  });

  test('is refused from another edge than the one that signed it', async () => {
    await expect(
      verifyAssertion(await assertion(), { peer: otherEdge.peer, audience, at: now }),
    ).rejects.toThrow('not valid');
  });

  test('is refused from a service that is no edge, though it signed it', async () => {
    const token = await signAssertion(service.held.current(), call, { audience, at: now });
    await expect(verifyAssertion(token, { peer: service.peer, audience, at: now })).rejects.toThrow(
      'not valid',
    );
  });

  test('is refused by another service', async () => {
    await expect(
      verifyAssertion(await assertion(), { peer: edge.peer, audience: 'join-svc', at: now }),
    ).rejects.toThrow('not valid');
  });

  test('is refused after a minute, and before its time', async () => {
    const token = await assertion();
    await expect(verifyAssertion(token, { peer: edge.peer, audience, at: plus(66) })).rejects.toThrow(
      'not valid',
    );
    await expect(verifyAssertion(token, { peer: edge.peer, audience, at: plus(-60) })).rejects.toThrow(
      'not valid',
    );
    expect(await verifyAssertion(token, { peer: edge.peer, audience, at: plus(50) })).toEqual(call);
  });

  test('for a caller whose certificate has expired is refused', async () => {
    const expired = { ...call, principal: { ...alice, notAfter: plus(10) } };
    const token = await signAssertion(edge.held.current(), expired, { audience, at: now });
    await expect(verifyAssertion(token, { peer: edge.peer, audience, at: plus(11) })).rejects.toThrow(
      'not valid',
    );
  });

  test('is not taken for a grant, nor a grant for it', async () => {
    await expect(
      verifyGrant(await assertion(), { trust: edge.held.trust(), agentId: audience, at: now }),
    ).rejects.toThrow('grant');
    await expect(
      verifyAssertion(await grantToken(audience), { peer: edge.peer, audience, at: now }),
    ).rejects.toThrow('assertion');
  });
});

describe('a forged assertion', () => {
  const claims = { rid: 'r', ip: '1.2.3.4', anon: true };
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = () =>
    part({
      ...claims,
      sub: 'nobody',
      iss: 'spiffe://postern/svc/edge-1',
      aud: audience,
      iat: now.getTime() / 1000,
      exp: now.getTime() / 1000 + 30,
    });
  const typ = 'postern-assertion+jwt';
  const refused = async (token: string) =>
    expect(verifyAssertion(token, { peer: edge.peer, audience, at: now })).rejects.toThrow(
      'the assertion is not valid',
    );

  test.each(['none', 'None', 'ES384', 'RS256', 'EdDSA'])('with alg %s is refused', async (alg) => {
    await refused(`${part({ alg, typ })}.${body()}.`);
    await refused(`${part({ alg, typ })}.${body()}.${(await assertion()).split('.')[2]}`);
  });

  test('signed by HMAC with the public key as its secret is refused', async () => {
    const key = edge.peer.certificate.publicKey.export({ type: 'spki', format: 'pem' });
    const text = `${part({ alg: 'HS256', typ })}.${body()}`;
    await refused(`${text}.${createHmac('sha256', key).update(text).digest('base64url')}`);
  });

  test('that brings its own key is refused', async () => {
    const pair = await generateKeyPair();
    const token = await signAssertion({ key: pair.privateKey, principal: edge.peer.principal }, call, {
      audience,
      at: now,
    });
    await refused(token);
    const [, payload, signature] = token.split('.');
    await refused(
      `${part({ alg: 'ES256', typ, jwk: { kty: 'EC' }, kid: '../../dev/null' })}.${payload}.${signature}`,
    );
  });

  test('with an unknown critical header is refused', async () => {
    await refused(`${part({ alg: 'ES256', typ, crit: ['b64'], b64: false })}.${body()}.AA`);
  });

  test('for an hour, or without an end, is refused', async () => {
    const { createPrivateKey } = await import('node:crypto');
    const key = createPrivateKey(edge.held.current().key);
    const make = () =>
      new SignJWT({ ...claims, sub: 'nobody' })
        .setProtectedHeader({ alg: 'ES256', typ })
        .setIssuer('spiffe://postern/svc/edge-1')
        .setAudience(audience);
    const seconds = now.getTime() / 1000;
    await refused(await make().setIssuedAt(seconds).sign(key));
    await refused(
      await make()
        .setExpirationTime(seconds + 3600)
        .sign(key),
    );
    await refused(
      await make()
        .setIssuedAt(seconds - 600)
        .setExpirationTime(seconds + 3600)
        .sign(key),
    );
    await refused(
      await make()
        .setAudience([audience, 'join-svc'])
        .setIssuedAt(seconds)
        .setExpirationTime(seconds + 30)
        .sign(key),
    );
  });

  test.each(['', '.', '..', 'a.b.c', 'a.b.c.d.e'])('of the form %j is refused', async (token) => {
    await refused(token);
  });
});

const grant = {
  sub: 'spiffe://postern/user/alice',
  session,
  cluster: 'demo',
  kubeUser: 'alice',
  kubeGroups: ['viewers'],
  policyRevision: '7',
  requestId: 'r2',
};
const use = (agentId: string) => ({ trust: edge.held.trust(), agentId, at: now });

/** An edge of a cluster that has the same name. */
async function foreignEdge(): Promise<GrantSigner> {
  const host = await createAuthority({ use: 'host', clusterName: 'postern', clock });
  const { privateKey, publicKey } = await generateKeyPair();
  const spec = { type: 'svc', id: 'edge-1', publicKey, notAfter, generation: 1, roles: ['Proxy'] } as const;
  const certificate = await issueCertificate(host, spec);
  return { key: privateKey, certificate, principal: edge.peer.principal };
}

const grantToken = (agentId: string) => signGrant(edge.held.current(), grant, { agentId, at: now });

describe('a grant', () => {
  test('tells the agent whom to impersonate, and until when', async () => {
    const verified = await verifyGrant(await grantToken('agent-1'), use('agent-1'));
    expect(verified).toEqual({ ...grant, expiresAt: plus(60) });
  });

  test('keeps the digest of the filter that goes beside it', async () => {
    const filterDigest = 'q1w2e3';
    const token = await signGrant(
      edge.held.current(),
      { ...grant, filterDigest },
      { agentId: 'a', at: now, ttlSeconds: 3600 },
    );
    const verified = await verifyGrant(token, use('a'));
    expect(verified).toEqual({ ...grant, filterDigest, expiresAt: plus(60) });
  });

  test('is refused by another agent (H-02)', async () => {
    await expect(verifyGrant(await grantToken('agent-1'), use('agent-2'))).rejects.toThrow('not valid');
  });

  test('is refused unless an edge of the host CA signed it, whoever brings it (H-02)', async () => {
    const sign = (signer: GrantSigner) => signGrant(signer, grant, { agentId: 'a', at: now });
    const refused = async (token: string) =>
      expect(verifyGrant(token, use('a'))).rejects.toThrow('the grant is not valid');
    const { certificate } = otherEdge.held.current();
    expect(await verifyGrant(await sign(otherEdge.held.current()), use('a'))).toMatchObject(grant);
    await refused(await sign(service.held.current()));
    await refused(await sign(await foreignEdge()));
    await refused(await sign({ ...edge.held.current(), certificate }));
    await refused(await sign({ ...edge.held.current(), certificate: '' }));
  });

  test('ends with the certificate of its edge (C-09)', async () => {
    const at = new Date(notAfter.getTime() - 10_000);
    const token = await signGrant(edge.held.current(), grant, { agentId: 'a', at });
    expect((await verifyGrant(token, { ...use('a'), at })).expiresAt).toEqual(notAfter);
    await expect(verifyGrant(token, { ...use('a'), at: notAfter })).rejects.toThrow('not valid');
  });

  test('for an agent instead of a user is refused', async () => {
    const token = await signGrant(
      edge.held.current(),
      { ...grant, sub: 'spiffe://postern/agent/a' },
      { agentId: 'a', at: now },
    );
    await expect(verifyGrant(token, use('a'))).rejects.toThrow('not valid');
  });
});
