import { createPrivateKey } from 'node:crypto';
import { type Clock, failure } from '@postern/core';
import { jwtVerify, SignJWT } from 'jose';
import type { HeldIdentity } from './held-identity.ts';
import { type Principal, principalOf } from './principal.ts';
import { spiffeId } from './spiffe-id.ts';
import { readCertificate, type TrustBundle } from './trust.ts';
import { type KeyRecipient, readRecipient } from './view-sealing.ts';

/** A proof that is malformed, too old, about another view, or of somebody else. */
export const InvalidViewProof = failure(
  'unauthenticated',
  'identity.invalid_view_proof',
  (why: string) => `the question about a view does not prove who asks: ${why}`,
);

/** A certificate, and a statement about one view that its key signed a moment ago. */
export interface SignedProof {
  readonly certificate: string;
  readonly statement: string;
}

/** What is proved: which view is asked about, and for whom its keys shall be wrapped. */
interface Claim {
  readonly hash: string;
  readonly recipient?: KeyRecipient;
}

const typ = 'postern-view+jwt';
const audience = 'resource-svc';
const maxAgeSeconds = 60;
const clockToleranceSeconds = 5;
const maxCertificateLength = 8192;

/** Proves by the identity held now who asks about a view. */
export async function signViewProof(
  held: HeldIdentity,
  { hash, recipient }: Claim,
  clock: Clock,
): Promise<SignedProof> {
  const { key, certificate, principal } = held.current();
  const now = Math.floor(clock().getTime() / 1000);
  const statement = await new SignJWT(recipient ? { recipient: { ...recipient } } : {})
    .setProtectedHeader({ alg: 'ES256', typ })
    .setIssuer(spiffeId(principal))
    .setAudience(audience)
    .setSubject(hash)
    .setIssuedAt(now)
    .setExpirationTime(now + maxAgeSeconds)
    .sign(createPrivateKey(key));
  return { certificate, statement };
}

/** What a proof has to fit: the agent that the bus knows the asker to be, and the view it asks about. */
export interface ExpectedProof {
  readonly agentId: string;
  readonly hash: string;
  readonly trust: TrustBundle;
  readonly at: Date;
}

export interface ProvedAsker {
  readonly principal: Principal;
  readonly recipient: KeyRecipient | undefined;
}

/**
 * Who asks. The bus says which agent sent a message; the certificate says which roles it has; the statement says that it is
 * the agent itself that asks, for this view and now, so that a proof which somebody saw is of no use to anyone else.
 */
export async function verifyViewProof(
  { certificate, statement }: SignedProof,
  { agentId, hash, trust, at }: ExpectedProof,
): Promise<ProvedAsker> {
  const leaf = certificateIn(certificate);
  const principal = principalOf(leaf, trust, { at });
  if (principal.type !== 'agent' && principal.type !== 'svc') throw InvalidViewProof('it is of a person');
  if (principal.id !== agentId) throw InvalidViewProof('its certificate is of another agent');
  const options = {
    algorithms: ['ES256'],
    typ,
    audience,
    issuer: spiffeId(principal),
    subject: hash,
    currentDate: at,
    clockTolerance: clockToleranceSeconds,
    requiredClaims: ['exp', 'iat'],
    maxTokenAge: maxAgeSeconds,
  };
  try {
    const { payload } = await jwtVerify(statement, leaf.publicKey, options);
    const { recipient } = payload;
    return { principal, recipient: recipient === undefined ? undefined : readRecipient(recipient) };
  } catch (error) {
    throw InvalidViewProof.from(
      error,
      'its statement is not of now, not of this view, or not signed by its key',
    );
  }
}

function certificateIn(pem: string): ReturnType<typeof readCertificate> {
  if (pem.length > maxCertificateLength) throw InvalidViewProof('its certificate is too long');
  try {
    return readCertificate(pem);
  } catch (error) {
    throw InvalidViewProof.from(error, 'its certificate cannot be read');
  }
}
