import { execFileSync } from 'node:child_process';
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readDer } from './der.ts';
import {
  type Authority,
  type CertificateSpec,
  certifySuccessor,
  createAuthority,
  generateKeyPair,
  issueCertificate,
} from './index.ts';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  signingAlgorithm,
  signingKeyFrom,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  verifyingKeyFrom,
  X509CertificateGenerator,
} from './testing.ts';

const now = new Date('2026-11-21T12:00:00Z');
const id = '0198a000-0000-7000-8000-000000000002';
const names = { dnsNames: [id, 'localhost'], ipAddresses: ['127.0.0.1', '::1', '2001:db8::ff00:42:8329'] };

const authorityOf = (use: 'host' | 'user') =>
  createAuthority({ use, clusterName: 'postern', clock: () => now });
const specOf = (publicKey: string, more: Partial<CertificateSpec> = {}): CertificateSpec => ({
  type: 'agent',
  id,
  publicKey,
  notAfter: new Date(now.getTime() + 3_600_000),
  generation: 1,
  roles: ['Kube'],
  ...names,
  ...more,
});

/** What is signed of a certificate. */
function signedPartOf(der: Buffer): Buffer {
  const [outer] = readDer(der, 1);
  return readDer(outer!.content, 3)[0]!.whole;
}

/** The same certificate as the other implementation writes it. */
async function byTheLibrary(
  leaf: X509Certificate,
  { authority, publicKey }: { authority: Authority; publicKey: string },
) {
  const ca = new X509Certificate(authority.certificate);
  const utf8 = (distinguished: string) =>
    new Name([{ CN: [{ utf8String: distinguished.slice('CN='.length) }] }]);
  const key = await verifyingKeyFrom(publicKey);
  const caKey = ca.publicKey.export({ type: 'spki', format: 'pem' });
  const made = await X509CertificateGenerator.create({
    subject: utf8(leaf.subject),
    issuer: utf8(ca.subject),
    serialNumber: leaf.serialNumber,
    notBefore: leaf.validFromDate,
    notAfter: leaf.validToDate,
    publicKey: key,
    signingKey: await signingKeyFrom(authority.privateKey.reveal()),
    signingAlgorithm,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1']),
      new SubjectAlternativeNameExtension([
        { type: 'url', value: `spiffe://postern/agent/${id}` },
        { type: 'url', value: 'urn:postern:generation:1' },
        { type: 'url', value: 'urn:postern:role:Kube' },
        ...names.dnsNames.map((value) => ({ type: 'dns', value }) as const),
        ...names.ipAddresses.map((value) => ({ type: 'ip', value }) as const),
      ]),
      await SubjectKeyIdentifierExtension.create(key),
      await AuthorityKeyIdentifierExtension.create(await verifyingKeyFrom(caKey)),
    ],
  });
  return Buffer.from(made.rawData);
}

describe('a certificate', () => {
  test('is byte for byte what another implementation writes', async () => {
    const authority = await authorityOf('host');
    // Serial numbers begin with a set bit or not, and are then of another length.
    for (let times = 0; times < 20; times += 1) {
      const { publicKey } = await generateKeyPair();
      const leaf = new X509Certificate(await issueCertificate(authority, specOf(publicKey)));
      const other = await byTheLibrary(leaf, { authority, publicKey });
      expect(signedPartOf(leaf.raw).toString('hex')).toBe(signedPartOf(other).toString('hex'));
    }
  });

  test('is signed by its authority, and by no other', async () => {
    const [authority, other] = await Promise.all([authorityOf('host'), authorityOf('host')]);
    const { publicKey } = await generateKeyPair();
    const leaf = new X509Certificate(await issueCertificate(authority, specOf(publicKey)));
    const keyIn = ({ certificate }: Authority) => new X509Certificate(certificate).publicKey;
    expect(leaf.verify(keyIn(authority))).toBe(true);
    expect(leaf.verify(keyIn(other))).toBe(false);
    expect(leaf.checkIssued(new X509Certificate(authority.certificate))).toBe(true);
    expect(leaf.publicKey.equals(createPublicKey(publicKey))).toBe(true);
  });

  test('and those of its authorities pass the strict checks of OpenSSL', async () => {
    const [old, successor] = await Promise.all([authorityOf('host'), authorityOf('host')]);
    const { publicKey } = await generateKeyPair();
    const leaf = await issueCertificate(successor, specOf(publicKey));
    const between = await certifySuccessor(old, successor, new Date('2051-01-01T00:00:00Z'));
    const folder = mkdtempSync(join(tmpdir(), 'certificate-'));
    const write = (name: string, pem: string) => {
      writeFileSync(join(folder, name), pem);
      return join(folder, name);
    };
    const files = [write('old', old.certificate), write('between', between), write('leaf', leaf)] as const;
    const at = String(Math.floor(now.getTime() / 1000));
    const strict = ['verify', '-x509_strict', '-attime', at, '-purpose', 'sslserver', '-CAfile', files[0]];
    try {
      const said = execFileSync('openssl', [...strict, '-untrusted', files[1], files[2]], {
        encoding: 'utf8',
      });
      expect(said).toContain('OK');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('says its times before and after 2050 (RFC 5280 4.1.2.5)', async () => {
    const late = new Date('2049-12-31T23:59:30Z');
    const authority = await createAuthority({ use: 'host', clusterName: 'postern', clock: () => late });
    const { publicKey } = await generateKeyPair();
    const spec = specOf(publicKey, { notAfter: new Date('2050-01-01T00:00:00Z') });
    const leaf = new X509Certificate(await issueCertificate(authority, spec));
    expect(leaf.validFromDate).toEqual(new Date('2049-12-31T23:58:30Z'));
    expect(leaf.validToDate).toEqual(new Date('2050-01-01T00:00:00Z'));
    const text = leaf.raw.toString('latin1');
    expect(text).toContain('491231235830Z');
    expect(text).toContain('20500101000000Z');
  });

  test.each([
    ['a role that would be cut to another one', { roles: ['\u014bube'] }],
    ['a host that would be cut to another one', { dnsNames: ['\u0161.example'] }],
    ['an address that is none', { ipAddresses: ['127.0.0.1.evil'] }],
    ['an address with a zone', { ipAddresses: ['fe80::1%eth0'] }],
    ['an empty host', { dnsNames: [''] }],
  ])('with %s is not issued (C-15)', async (_, more) => {
    const { publicKey } = await generateKeyPair();
    await expect(issueCertificate(await authorityOf('host'), specOf(publicKey, more))).rejects.toThrow(
      'a certificate was not issued',
    );
  });

  test('of an authority is for its key', async () => {
    const { certificate, privateKey } = await authorityOf('user');
    const ca = new X509Certificate(certificate);
    expect(ca.checkPrivateKey(createPrivateKey(privateKey.reveal()))).toBe(true);
    expect(ca.ca).toBe(true);
    expect(ca.verify(ca.publicKey)).toBe(true);
  });
});
