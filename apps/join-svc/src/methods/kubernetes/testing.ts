import { createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** An issuer of tokens, as the signer of an API server is one. */
export interface TestIssuer {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly kid: string;
  /** Its JSON key set. */
  readonly jwks: string;
}

export function rsaIssuer(kid = 'key-1', modulusLength = 2048): TestIssuer {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength });
  const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid, use: 'sig' }] });
  return { privateKey, publicKey, kid, jwks };
}

export function ecIssuer(kid = 'key-ec'): TestIssuer {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid }] });
  return { privateKey, publicKey, kid, jwks };
}

export const tokenIssuer = 'https://kubernetes.default.svc';
export const now = new Date('2026-11-21T12:00:00Z');
const seconds = now.getTime() / 1000;

/** What a kubelet gets for the pod agent-0 of prod:postern-agent. */
export const claims = {
  iss: tokenIssuer,
  sub: 'system:serviceaccount:prod:postern-agent',
  aud: ['postern'] as unknown,
  iat: seconds - 60,
  nbf: seconds - 60,
  exp: seconds + 540,
  'kubernetes.io': {
    namespace: 'prod',
    pod: { name: 'agent-0', uid: '4ce91ad7-6f5c-4d1e-8d3c-2b8f2c1f1a11' },
    serviceaccount: { name: 'postern-agent', uid: 'c5a3b9a6-23f4-4b0f-9e3e-7d6f0f0b1a22' },
  } as unknown,
};

/** A token of any form, signed as the header says, or as another one would say, by whatever key there is. */
export function tokenOf(
  issuer: TestIssuer,
  changes: Readonly<Record<string, unknown>> = {},
  header: Readonly<Record<string, unknown>> = {},
  signedAs?: string,
): string {
  const isRsa = issuer.privateKey.asymmetricKeyType === 'rsa';
  const whole = { alg: isRsa ? 'RS256' : 'ES256', kid: issuer.kid, ...header };
  const input = `${encoded(whole)}.${encoded({ ...claims, ...changes })}`;
  return `${input}.${signature(issuer, signedAs ?? whole.alg, input)}`;
}

function signature({ privateKey, publicKey }: TestIssuer, alg: string, input: string): string {
  if (/^none$/i.test(alg)) return '';
  if (alg.startsWith('HS')) {
    const pem = publicKey.export({ type: 'spki', format: 'pem' });
    return createHmac('sha256', pem).update(input).digest('base64url');
  }
  if (alg.startsWith('PS'))
    return sign('sha256', Buffer.from(input), { key: privateKey, padding: 6 }).toString('base64url');
  return sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString(
    'base64url',
  );
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
