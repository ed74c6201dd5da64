import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import { type Clock, Secret } from '@postern/core';
import { generateKeyPair } from './keys.ts';
import {
  authorityKeyIdentifier,
  basicConstraints,
  commonName,
  keyUsage,
  publicKeyIn,
  signCertificate,
  subjectKeyIdentifier,
  subjectOf,
} from './sign-certificate.ts';
import { checkClusterName } from './spiffe-id.ts';
import { readCertificate } from './trust.ts';
import { pemOf } from './write-der.ts';

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
  const publicKey = createPublicKey(pair.publicKey).export({ type: 'spki', format: 'der' });
  const now = clock().getTime();
  // Two authorities of one use must not share a name, or a rotation would leave verifiers guessing which one signed.
  const name = commonName(`postern ${use} CA ${randomBytes(4).toString('hex')}`);
  const certificate = signCertificate(
    {
      issuer: name,
      subject: name,
      notBefore: new Date(now - backdateMs),
      notAfter: new Date(now + tenYearsMs),
      publicKey,
      extensions: [
        basicConstraints(pathLengths[use]),
        keyUsage('authority'),
        subjectKeyIdentifier(publicKey),
      ],
    },
    createPrivateKey(pair.privateKey),
  );
  return {
    use,
    clusterName,
    certificate: pemOf('CERTIFICATE', certificate),
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
  const publicKey = publicKeyIn(subject);
  const certificate = signCertificate(
    {
      issuer: subjectOf(issuer),
      subject: subjectOf(subject),
      notBefore: new Date(authority.clock().getTime() - backdateMs),
      notAfter: new Date(Math.min(notAfter.getTime(), issuer.validToDate.getTime())),
      publicKey,
      extensions: [
        basicConstraints(0),
        keyUsage('authority'),
        subjectKeyIdentifier(publicKey),
        authorityKeyIdentifier(publicKeyIn(issuer)),
      ],
    },
    createPrivateKey(authority.privateKey.reveal()),
  );
  return pemOf('CERTIFICATE', certificate);
}
