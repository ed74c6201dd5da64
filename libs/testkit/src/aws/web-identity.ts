import { createPublicKey, verify, type webcrypto } from 'node:crypto';

/** Public keys of an OpenID provider. */
export interface KeySet {
  readonly keys: readonly (webcrypto.JsonWebKey & { readonly kid?: string })[];
}

/** The claims of a web identity token, if its issuer is known, signed it and it has not ended. */
export function readWebIdentity(
  token: string,
  issuers: ReadonlyMap<string, KeySet>,
  at: Date,
): Readonly<Record<string, unknown>> | undefined {
  const [head = '', payload = '', signature = ''] = token.split('.');
  const header = decoded(head);
  const claims = decoded(payload);
  const jwk = issuers.get(String(claims['iss']))?.keys.find(({ kid }) => kid === header['kid']);
  if (!jwk || header['alg'] !== 'RS256') return undefined;
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  const isSigned = verify(
    'sha256',
    Buffer.from(`${head}.${payload}`),
    key,
    Buffer.from(signature, 'base64url'),
  );
  return isSigned && Number(claims['exp']) * 1000 > at.getTime() ? claims : undefined;
}

function decoded(part: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8')) as Record<string, unknown>;
  } catch {
    return {};
  }
}
