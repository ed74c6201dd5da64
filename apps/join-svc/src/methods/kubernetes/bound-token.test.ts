import { deflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type TokenExpectation, verifyBoundToken } from './bound-token.ts';
import { readKeySet } from './key-set.ts';
import { claims, ecIssuer, now, rsaIssuer, tokenOf } from './testing.ts';

const rsa = rsaIssuer();
const ec = ecIssuer();
const other = rsaIssuer();
const expected: TokenExpectation = { type: 'static_jwks', audience: 'postern', at: now };
const at = now.getTime() / 1000;

const verify = (token: string, jwks = rsa.jwks) => verifyBoundToken(token, readKeySet(jwks), expected);

describe('a token of a service account', () => {
  test.each([
    ['RSA', rsa],
    ['an elliptic curve', ec],
  ])('by %s names its account and pod', async (_, issuer) => {
    expect(await verify(tokenOf(issuer), issuer.jwks)).toEqual({
      namespace: 'prod',
      name: 'postern-agent',
      podName: 'agent-0',
      podUid: '4ce91ad7-6f5c-4d1e-8d3c-2b8f2c1f1a11',
    });
  });

  test('is verified by any key of the set, where neither names one', async () => {
    const keys = [other, rsa].map(({ publicKey }) => publicKey.export({ format: 'jwk' }));
    const { name } = await verify(tokenOf(rsa, {}, { kid: undefined }), JSON.stringify({ keys }));
    expect(name).toBe('postern-agent');
  });

  test.each<[string, Record<string, unknown>, string | undefined, string]>([
    ['that is not signed', { alg: 'none' }, undefined, 'no key for algorithm "none"'],
    ['that is not signed, oddly spelt', { alg: 'None' }, undefined, 'no key for algorithm "None"'],
    ['that says nothing of it', { alg: undefined }, 'RS256', 'no key for algorithm null'],
    ['with the public key for a shared secret', { alg: 'HS256' }, undefined, 'no key for algorithm "HS256"'],
    ['that is called one of a curve', { alg: 'ES256' }, 'RS256', 'no key for algorithm "ES256"'],
    ['with another padding', { alg: 'PS256' }, undefined, 'no key for algorithm "PS256"'],
    ['with another padding that is called RS256', {}, 'PS256', 'signature verification failed'],
    ['with a shared secret that is called RS256', {}, 'HS256', 'signature verification failed'],
    ['without a signature that is called RS256', {}, 'none', 'signature verification failed'],
    ['with a longer digest', { alg: 'RS384' }, 'RS256', 'no key for algorithm "RS384"'],
    [
      'whose claims are not encoded',
      { b64: false, crit: ['b64'] },
      undefined,
      'the header of the token says',
    ],
    ['with an unknown critical field', { crit: ['x'], x: 1 }, undefined, 'the header of the token says'],
  ])('%s is refused for that, whatever else is right (J-01)', async (_, header, signedAs, why) => {
    expect((await verify(tokenOf(rsa))).name).toBe('postern-agent');
    await expect(verify(tokenOf(rsa, {}, header, signedAs))).rejects.toThrow(why);
  });

  test('signed by a key of a curve does not pass for one by RSA, nor the other way round (J-01)', async () => {
    const both = JSON.stringify({
      keys: [rsa, ec].map(({ publicKey, kid }) => ({ ...publicKey.export({ format: 'jwk' }), kid })),
    });
    await expect(verify(tokenOf(ec, {}, { kid: rsa.kid }), both)).rejects.toThrow('no key for algorithm');
    await expect(verify(tokenOf(rsa, {}, { kid: ec.kid }), both)).rejects.toThrow('no key for algorithm');
    await expect(verify(tokenOf(ec, {}, { alg: 'RS256', kid: rsa.kid }, 'ES256'), both)).rejects.toThrow(
      'signature verification failed',
    );
  });

  test.each([
    ['with a key in it (J-02)', { jwk: rsa.publicKey.export({ format: 'jwk' }) }],
    ['with an address of keys in it (J-02)', { jku: 'http://127.0.0.1:1/' }],
    ['with an address of a certificate in it (J-02)', { x5u: 'http://127.0.0.1:1/' }],
    ['with a certificate in it (J-02)', { x5c: ['AAAA'] }],
    ['whose kid is a path (J-02)', { kid: '../../dev/null' }],
    ['whose kid is a query (J-02)', { kid: "' OR 1=1--" }],
    ['whose kid is no text (J-02)', { kid: { $ne: null } }],
  ])('%s is refused', async (_, header) => {
    await expect(verify(tokenOf(rsa, {}, header))).rejects.toMatchObject({ code: 'join.proof_refused' });
  });

  test.each([
    ['for nobody (J-03)', { aud: undefined }, 'aud'],
    ['for the API server (J-03)', { aud: ['https://kubernetes.default.svc'] }, 'aud'],
    ['for something like us (J-03)', { aud: 'postern.' }, 'aud'],
    ['for an object (J-03)', { aud: { postern: true } }, 'aud'],
    ['for too many (J-03)', { aud: ['postern', ...Array<string>(20).fill('x')] }, '21 audiences'],
    ['that never ends (J-05)', { exp: undefined }, 'exp'],
    ['that does not say since when it is (J-05)', { iat: undefined }, 'iat'],
    ['that lives for ten years (J-05)', { exp: at + 315_360_000 }, '30 minutes at most'],
    [
      'of no pod (J-05)',
      { 'kubernetes.io': { namespace: 'prod', serviceaccount: { name: 'postern-agent' } } },
      'not bound to a pod',
    ],
    ['with nothing of Kubernetes in it (J-05)', { 'kubernetes.io': undefined }, 'not bound to a pod'],
    [
      'that says another account than its subject (J-06)',
      { sub: 'system:serviceaccount:prod:admin' },
      'another account',
    ],
    ['that has ended', { exp: at - 11 }, 'exp'],
    ['that is not valid yet', { nbf: at + 11 }, 'nbf'],
    ['that was issued in the future (J-11)', { iat: at + 11, nbf: undefined }, 'issued in the future'],
  ])('%s is refused', async (_, changes, why) => {
    await expect(verify(tokenOf(rsa, changes))).rejects.toThrow(why);
  });

  test('for others beside us is ours too (J-03)', async () => {
    expect((await verify(tokenOf(rsa, { aud: ['x', 'postern'] }))).name).toBe('postern-agent');
  });

  test.each([
    ['ended', { exp: at - 9 }],
    ['begins', { nbf: at + 9 }],
    ['was issued', { iat: at + 9, nbf: undefined }],
  ])('that %s nine seconds away by our clock is good (J-11)', async (_, changes) => {
    expect((await verify(tokenOf(rsa, changes))).name).toBe('postern-agent');
  });

  test('of a cluster with the same issuer and accounts is not one of this cluster (J-04)', async () => {
    await expect(verify(tokenOf(other), rsa.jwks)).rejects.toThrow('verif');
    await expect(verify(tokenOf(rsa), other.jwks)).rejects.toThrow('verif');
  });

  test.each([
    ['encrypted', '.a.b.c', 'encrypted'],
    ['compressed', '', 'says "enc"'],
  ])('that is %s is refused before anything is unpacked (J-10)', async (_, more) => {
    const bomb = deflateRawSync(Buffer.alloc(10_000_000)).toString('base64url');
    const header = Buffer.from('{"alg":"dir","enc":"A256GCM","zip":"DEF"}').toString('base64url');
    await expect(verify(`${header}.${bomb}.${more || 'c'}`)).rejects.toMatchObject({
      code: 'join.proof_refused',
    });
  });

  test('changed anywhere is refused', async () => {
    const [header, , signature] = tokenOf(rsa).split('.');
    const payload = Buffer.from(JSON.stringify({ ...claims, sub: 'system:serviceaccount:kube-system:x' }));
    await expect(verify(`${header}.${payload.toString('base64url')}.${signature}`)).rejects.toThrow('verif');
  });
});

describe('a key set', () => {
  test('gives keys that sign, each with its own algorithm', () => {
    expect(readKeySet(rsa.jwks)).toMatchObject([{ kid: 'key-1', algorithm: 'RS256' }]);
    expect(readKeySet(ec.jwks)).toMatchObject([{ kid: 'key-ec', algorithm: 'ES256' }]);
  });

  test.each([
    ['short RSA keys (C-14)', rsaIssuer('short', 1024).jwks],
    ['shared secrets', '{"keys":[{"kty":"oct","k":"AAAA"}]}'],
    ['keys for encryption', rsa.jwks.replace('"sig"', '"enc"')],
    ['keys for another algorithm', rsa.jwks.replace('"use"', '"alg":"PS256","use"')],
    ['malformed keys', '{"keys":[{"kty":"RSA","n":"!","e":1},7,null]}'],
  ])('leaves out %s', (_, jwks) => {
    expect(readKeySet(jwks)).toEqual([]);
  });

  test.each([
    ['no list', '{"keys":{}}'],
    ['too many keys', JSON.stringify({ keys: Array.from({ length: 33 }, () => ({})) })],
    ['no JSON', '{'],
  ])('with %s is refused', (_, jwks) => {
    expect(() => readKeySet(jwks)).toThrow();
  });
});
