import { isPlainObject, messageOf } from '@postern/core';
import { decodeProtectedHeader, type JWTPayload, jwtVerify, type ProtectedHeaderParameters } from 'jose';
import { ProofRefused } from '../method.ts';
import type { IssuerKey } from './key-set.ts';
import { accountOf, boundPod, type ServiceAccount } from './service-account.ts';

/** How a token of a service account must be. */
export interface TokenExpectation {
  /** Which kind of verification it is, for the record: `static_jwks` or `oidc`. */
  readonly type: string;
  /** The cluster name: a token for anybody else, the API server above all, is none for us. */
  readonly audience: string;
  readonly issuer?: string;
  readonly at: Date;
}

const toleranceSeconds = 10;
const maxLifeSeconds = 30 * 60;
/** What a header may say. No key of the sender's, no address of one, and nothing that changes how the rest is read. */
const headerFields: readonly string[] = ['alg', 'kid', 'typ'];
const maxAudiences = 16;

/**
 * The service account and pod of a token that one of these keys signed. The algorithm is the key's. It must have been issued at
 * most 30 minutes before it ends, for this cluster, to a pod. Throws `ProofRefused` with what is wrong.
 */
export async function verifyBoundToken(
  token: string,
  keys: readonly IssuerKey[],
  expected: TokenExpectation,
): Promise<ServiceAccount> {
  const claims = await verifiedClaims(token, keys, expected);
  requireShortLife(claims, expected.type);
  const account = accountOf(claims.sub);
  const bound = claims['kubernetes.io'];
  const pod: unknown = isPlainObject(bound) ? bound['pod'] : undefined;
  if (isPlainObject(bound)) requireSame(bound, account);
  return {
    ...account,
    ...(isPlainObject(pod) ? boundPod(pod['name'], pod['uid']) : boundPod(undefined, '')),
  };
}

async function verifiedClaims(
  token: string,
  keys: readonly IssuerKey[],
  expected: TokenExpectation,
): Promise<JWTPayload> {
  const header = headerOf(token);
  const candidates = keys.filter(
    ({ kid, algorithm }) => algorithm === header.alg && (header.kid === undefined || kid === header.kid),
  );
  let why = `no key for algorithm ${shown(header.alg)} and kid ${shown(header.kid)}`;
  for (const candidate of candidates) {
    try {
      return await claimsBy(candidate, token, expected);
    } catch (error) {
      if (ProofRefused.is(error)) throw error;
      why = messageOf(error);
    }
  }
  throw ProofRefused(`${expected.type} joining requires a token that verifies: ${why}`);
}

function headerOf(token: string): ProtectedHeaderParameters {
  try {
    const header = decodeProtectedHeader(token);
    const odd = Object.keys(header).find((name) => !headerFields.includes(name));
    if (odd === undefined && token.split('.').length === 3) return header;
    throw ProofRefused(`the header of the token says ${shown(odd ?? 'that it is encrypted')}`);
  } catch (error) {
    if (ProofRefused.is(error)) throw error;
    throw ProofRefused.from(error, 'the token is no JWT');
  }
}

async function claimsBy(
  { key, algorithm }: IssuerKey,
  token: string,
  { audience, issuer, at }: TokenExpectation,
): Promise<JWTPayload> {
  const { payload } = await jwtVerify(token, key, {
    algorithms: [algorithm],
    audience,
    ...(issuer === undefined ? {} : { issuer }),
    currentDate: at,
    clockTolerance: toleranceSeconds,
    requiredClaims: ['exp', 'iat', 'sub', 'aud', 'iss'],
  });
  if (Array.isArray(payload.aud) && payload.aud.length > maxAudiences)
    throw ProofRefused(`the token is for ${payload.aud.length} audiences`);
  if (payload.iat! > at.getTime() / 1000 + toleranceSeconds)
    throw ProofRefused('the token was issued in the future');
  return payload;
}

function requireShortLife({ exp, iat }: JWTPayload, type: string): void {
  if (exp! - iat! > maxLifeSeconds)
    throw ProofRefused(
      `${type} joining requires a token that lives 30 minutes at most, not ${exp! - iat!} s`,
    );
}

/** What the token says twice it must say the same. */
function requireSame(
  bound: Record<string, unknown>,
  { namespace, name }: Pick<ServiceAccount, 'namespace' | 'name'>,
): void {
  const account = bound['serviceaccount'];
  const isSame = bound['namespace'] === namespace && isPlainObject(account) && account['name'] === name;
  if (!isSame)
    throw ProofRefused('the claims kubernetes.io of the token are of another account than its sub');
}

function shown(text: unknown): string {
  return JSON.stringify(text ?? null).slice(0, 80);
}
