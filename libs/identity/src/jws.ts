import { createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { failure, isPlainObject } from '@postern/core';
import { type JWTPayload, jwtVerify, SignJWT } from 'jose';
import type { Principal } from './principal.ts';
import { spiffeId } from './spiffe-id.ts';

/** A signed statement of the edge that is malformed, too old, for somebody else, or not signed by who sent it. */
export const InvalidStatement = failure(
  'unauthenticated',
  'identity.invalid_statement',
  (what: string) => `the ${what} is not valid`,
);

/** The other end of a TLS connection: its certificate, and the principal it was verified to be. */
export interface Peer {
  readonly certificate: X509Certificate;
  readonly principal: Principal;
}

/** The two kinds of statement, told apart by the `typ` header so that neither is taken for the other. */
type StatementType = 'postern-assertion+jwt' | 'postern-grant+jwt';

/** Statements live no longer than this, whatever their signer asks for. */
const maxStatementSeconds = 60;

/** What signs: an identity with the key of its certificate. */
export interface StatementSigner {
  readonly key: string;
  readonly principal: Principal;
}

interface Signing {
  readonly typ: StatementType;
  readonly audience: string;
  readonly at: Date;
  readonly ttlSeconds?: number;
  /** The signer's certificate for who has no connection to it: DER in base64. */
  readonly x5c?: string[];
}

/** Signs claims by the key of the signer's own certificate: whoever knows that certificate can check them. */
export async function signStatement(
  signer: StatementSigner,
  claims: JWTPayload,
  signing: Signing,
): Promise<string> {
  const { typ, audience, at, ttlSeconds = maxStatementSeconds, x5c } = signing;
  const now = Math.floor(at.getTime() / 1000);
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'ES256', typ, ...(x5c ? { x5c } : {}) })
    .setIssuer(spiffeId(signer.principal))
    .setAudience(audience)
    .setIssuedAt(now)
    .setExpirationTime(now + Math.min(ttlSeconds, maxStatementSeconds))
    .sign(cached(privateKeys, signer.key, () => createPrivateKey(signer.key)));
}

interface Verification {
  readonly typ: StatementType;
  readonly audience: string;
  readonly at: Date;
  readonly peer: Peer;
}

const clockToleranceSeconds = 5;

/**
 * The claims of a statement that this very peer signed. The key is the one of the peer's certificate, whatever the header
 * says; only an edge may make statements at all.
 */
export async function verifyStatement(
  token: string,
  { typ, audience, at, peer }: Verification,
): Promise<JWTPayload> {
  const what = typ === 'postern-grant+jwt' ? 'grant' : 'assertion';
  const { principal, certificate } = peer;
  if (principal.type !== 'svc' || !principal.roles.includes('Proxy')) throw InvalidStatement(what);
  const key = cached(publicKeys, principal.fingerprint, () => certificate.publicKey);
  const options = {
    algorithms: ['ES256'],
    typ,
    audience,
    issuer: spiffeId(principal),
    currentDate: at,
    clockTolerance: clockToleranceSeconds,
    requiredClaims: ['exp', 'iat', 'iss', 'aud', 'sub'],
    maxTokenAge: maxStatementSeconds,
  };
  try {
    const { payload } = await jwtVerify(token, key, options);
    if (!isPlainObject(payload) || Array.isArray(payload.aud)) throw InvalidStatement(what);
    return payload;
  } catch (error) {
    throw InvalidStatement.from(error, what);
  }
}

// Parsing a key costs more than using it. A process has few peers that make statements; the bound is for safety only.
const maxKeys = 1024;
const privateKeys = new Map<string, KeyObject>();
const publicKeys = new Map<string, KeyObject>();

function cached(keys: Map<string, KeyObject>, name: string, read: () => KeyObject): KeyObject {
  const known = keys.get(name);
  if (known) return known;
  const key = read();
  if (keys.size >= maxKeys) keys.clear();
  keys.set(name, key);
  return key;
}
