import { randomBytes, type X509Certificate } from 'node:crypto';
import { type Clock, Secret } from '@postern/core';
import { generateKeyPair, signingAlgorithm, signingKeyFrom, verifyingKeyFrom } from './keys.ts';
import { checkClusterName } from './spiffe-id.ts';
import { readCertificate } from './trust.ts';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from './x509.ts';

/** A certificate authority with its private key: what join-svc alone holds. */
export interface Authority {
  readonly use: 'host' | 'user';
  readonly clusterName: string;
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS#8. */
  readonly privateKey: Secret;
  readonly clock: Clock;
}

/** What to make an authority of. */
export interface NewAuthority {
  readonly use: 'host' | 'user';
  readonly clusterName: string;
  readonly clock: Clock;
}

const tenYearsMs = 10 * 365 * 24 * 3_600_000;
/** Certificates begin this much before now, for machines whose clock is late. */
export const backdateMs = 60_000;

/** Intermediate authorities below an authority: of the host CA its successor, see `certifySuccessor`; else none. */
const pathLengths = { host: 1, user: 0 } as const;

/** Makes a certificate authority: ECDSA P-256, self-signed, ten years, for leaves and, of the host CA, for its successor. */
export async function createAuthority({ use, clusterName, clock }: NewAuthority): Promise<Authority> {
  checkClusterName(clusterName);
  const pair = await generateKeyPair();
  const publicKey = await verifyingKeyFrom(pair.publicKey);
  const now = clock().getTime();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    // Two authorities of one use must not share a name, or a rotation would leave verifiers guessing which one signed.
    name: [{ CN: [`postern ${use} CA ${randomBytes(4).toString('hex')}`] }],
    serialNumber: randomSerial(),
    notBefore: new Date(now - backdateMs),
    notAfter: new Date(now + tenYearsMs),
    keys: { publicKey, privateKey: await signingKeyFrom(pair.privateKey) },
    signingAlgorithm,
    extensions: [
      new BasicConstraintsExtension(true, pathLengths[use], true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return {
    use,
    clusterName,
    certificate: `${certificate.toString('pem')}\n`,
    privateKey: new Secret(pair.privateKey),
    clock,
  };
}

/**
 * The certificate of an authority's successor, signed by the authority (RFC 4210 4.4.1, "NewWithOld"; PEM). A server that sends it
 * behind its own certificate is recognised by who trusts only the authority. The successor signs leaves only.
 */
export async function certifySuccessor(
  authority: Authority,
  successor: Authority,
  notAfter: Date,
): Promise<string> {
  const [issuer, subject] = [readCertificate(authority.certificate), readCertificate(successor.certificate)];
  const [issuerKey, publicKey] = await Promise.all([publicKeyIn(issuer), publicKeyIn(subject)]);
  const certificate = await X509CertificateGenerator.create({
    subject: subject.subject,
    issuer: issuer.subject,
    serialNumber: randomSerial(),
    notBefore: new Date(authority.clock().getTime() - backdateMs),
    notAfter: new Date(Math.min(notAfter.getTime(), issuer.validToDate.getTime())),
    publicKey: publicKey,
    signingKey: await signingKeyFrom(authority.privateKey.reveal()),
    signingAlgorithm,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(publicKey),
      await AuthorityKeyIdentifierExtension.create(issuerKey),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

function publicKeyIn({ publicKey }: X509Certificate): ReturnType<typeof verifyingKeyFrom> {
  return verifyingKeyFrom(publicKey.export({ type: 'spki', format: 'pem' }));
}

/** 128 random bits as a positive serial number, hex. */
export function randomSerial(): string {
  return `00${randomBytes(16).toString('hex')}`;
}
