import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { Secret, systemClock } from '@postern/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Authority,
  certifySuccessor,
  createAuthority,
  droppedAuthorities,
  generateKeyPair,
  HeldIdentity,
  issueCertificate,
  issuerPin,
  caPin,
  principalOf,
  readCertificate,
  readTrustNews,
  serverTls,
  signTrustNews,
} from '../src/index.ts';

const clusterName = 'postern';
const make = (use: 'host' | 'user') => createAuthority({ use, clusterName, clock: systemClock });
const soon = () => new Date(Date.now() + 3_600_000);

async function leafOf(authority: Authority): Promise<{ key: string; certificate: string }> {
  const { privateKey: key, publicKey } = await generateKeyPair();
  const spec = { type: 'svc', id: 'edge-1', roles: ['Proxy'], generation: 1 } as const;
  const names = { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] };
  return {
    key,
    certificate: await issueCertificate(authority, { ...spec, ...names, publicKey, notAfter: soon() }),
  };
}

let before: Authority;
let after: Authority;
let user: Authority;
let server: Server;
let port: number;
let chain: string;

beforeAll(async () => {
  [before, after, user] = await Promise.all([make('host'), make('host'), make('user')]);
  chain = await certifySuccessor(before, after, soon());
  const own = { ...(await leafOf(after)), hostCa: after.certificate, userCa: user.certificate, clusterName };
  server = createServer(serverTls(new HeldIdentity({ ...own, hostChain: chain }), 'all'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});
afterAll(() => void server.close());

async function handshake(ca: string): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, ca });
  await once(socket, 'secureConnect');
  return socket;
}

describe('a server of the new authority', () => {
  test('is recognised by who trusts the old one alone, and by who trusts the new one alone (C-13)', async () => {
    for (const { certificate } of [before, after]) {
      const socket = await handshake(certificate);
      expect(socket.authorized).toBe(true);
      socket.destroy();
    }
  });

  test('is not recognised by who trusts neither', async () => {
    const stranger = await make('host');
    await expect(handshake(stranger.certificate)).rejects.toMatchObject({
      code: expect.stringMatching(/UNABLE_TO|SELF_SIGNED/),
    });
  });

  test('has a successor that may certify leaves, and no authority below it', () => {
    const certificate = readCertificate(chain);
    expect(certificate.ca).toBe(true);
    expect(certificate.checkIssued(readCertificate(before.certificate))).toBe(true);
    expect(certificate.publicKey.equals(readCertificate(after.certificate).publicKey)).toBe(true);
    expect(certificate.subject).toBe(readCertificate(after.certificate).subject);
  });

  test('is nobody for who trusts the old one alone and asks for its principal: chains are one long', async () => {
    const { certificate } = await leafOf(after);
    const trust = { clusterName, hostCa: before.certificate, userCa: user.certificate };
    const leaf = readCertificate(certificate);
    expect(() => principalOf(leaf, trust, { purpose: 'server' })).toThrow(
      'none of our authorities signed it',
    );
  });

  test('has a certificate that tells by which authority it is', async () => {
    const { certificate } = await leafOf(after);
    expect(issuerPin(certificate, before.certificate + after.certificate)).toBe(caPin(after.certificate));
    expect(issuerPin(certificate, before.certificate)).toBeUndefined();
  });
});

describe('what is trusted no more', () => {
  test('is what there was and is not any more', () => {
    const userCa = user.certificate;
    const both = { clusterName, hostCa: before.certificate + after.certificate, userCa };
    const dropped = droppedAuthorities(both, { clusterName, hostCa: after.certificate, userCa });
    expect(dropped.map(({ subject }) => subject)).toEqual([readCertificate(before.certificate).subject]);
    expect(droppedAuthorities({ ...both, hostCa: before.certificate }, both)).toEqual([]);
  });
});

describe('news of the trust', () => {
  const news = () => ({
    clusterName,
    revision: 3,
    hostCa: before.certificate + after.certificate,
    userCa: user.certificate,
    hostChain: chain,
    issuers: { agent: caPin(after.certificate), svc: caPin(before.certificate) },
    spreadMs: 1000,
  });
  const knowing = (hostCa: string, name = clusterName) => ({
    clusterName: name,
    hostCa,
    userCa: user.certificate,
  });

  test('are read by whoever trusts the authority that signed them', async () => {
    const statements = await Promise.all([before, after].map((ca) => signTrustNews(news(), ca.privateKey)));
    expect(await readTrustNews(statements, knowing(before.certificate))).toEqual(news());
    expect(await readTrustNews(statements, knowing(after.certificate))).toEqual(news());
  });

  test('of another authority, another cluster or another form are none', async () => {
    const stranger = await make('host');
    const signed = await signTrustNews(news(), before.privateKey);
    expect(await readTrustNews([signed], knowing(stranger.certificate))).toBeUndefined();
    expect(await readTrustNews([signed], knowing(before.certificate, 'other'))).toBeUndefined();
    expect(await readTrustNews(['', 'a.b.c', `${signed}x`], knowing(before.certificate))).toBeUndefined();
    const empty = await signTrustNews({ ...news(), hostCa: '' }, before.privateKey);
    expect(await readTrustNews([empty], knowing(before.certificate))).toBeUndefined();
    const many = await signTrustNews({ ...news(), hostCa: before.certificate.repeat(5) }, before.privateKey);
    expect(await readTrustNews([many], knowing(before.certificate))).toBeUndefined();
    const other = await signTrustNews(news(), new Secret((await generateKeyPair()).privateKey));
    expect(await readTrustNews([other], knowing(before.certificate))).toBeUndefined();
  });
});
