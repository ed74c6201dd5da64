import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, webcrypto } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { claimedKey, generateKeyPair, keyFingerprint, makeCsr, readCsr } from './index.ts';
import { commonName, signedBy } from './sign-certificate.ts';
import {
  Pkcs10CertificateRequestGenerator,
  signingAlgorithm,
  signingKeyFrom,
  SubjectAlternativeNameExtension,
  verifyingKeyFrom,
} from './testing.ts';
import { der, tags } from './write-der.ts';

const pem = (der: Uint8Array) =>
  `-----BEGIN CERTIFICATE REQUEST-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
const derOf = (text: string) => Buffer.from(text.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');

async function requestOf(algorithm: object, names: string[] = []) {
  const usages: webcrypto.KeyUsage[] = ['sign', 'verify'];
  const keys = await webcrypto.subtle.generateKey(algorithm as webcrypto.EcKeyGenParams, true, usages);
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: 'CN=a2',
    keys,
    signingAlgorithm: { ...algorithm, hash: 'SHA-256' },
    extensions:
      names.length > 0
        ? [new SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns', value })))]
        : [],
  });
  return request.toString('pem');
}

describe('a certificate request', () => {
  test('proves possession of its key', async () => {
    const pair = await generateKeyPair();
    expect(await readCsr(await makeCsr(pair.privateKey))).toEqual({ publicKey: pair.publicKey });
  });

  test('says whose key it claims before anything is verified', async () => {
    const pair = await generateKeyPair();
    const request = await makeCsr(pair.privateKey);
    expect(claimedKey(request)).toBe(keyFingerprint(pair.publicKey));
    expect(claimedKey(request.slice(0, 100))).toBeUndefined();
    expect(claimedKey(pem(Buffer.from('3000', 'hex')))).toBeUndefined();
  });

  test('is for the same key however its point is written', async () => {
    const pair = await generateKeyPair();
    const usual = derOf(pair.publicKey);
    const point = usual.subarray(-64);
    const compressed = Buffer.concat([
      Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex'),
      Buffer.of(2 + (point.at(-1)! & 1)),
      point.subarray(0, 32),
    ]);
    const unusual = createPublicKey({ key: compressed, format: 'der', type: 'spki' });
    const info = Buffer.concat([
      Buffer.from('020100', 'hex'),
      commonName('a'),
      compressed,
      Buffer.from('a000', 'hex'),
    ]);
    const request = pem(signedBy(createPrivateKey(pair.privateKey), der(tags.sequence, info)));
    const { publicKey } = await readCsr(request);
    expect(publicKey).toBe(unusual.export({ type: 'spki', format: 'pem' }));
    expect(keyFingerprint(publicKey)).toBe(
      createHash('sha256')
        .update(unusual.export({ type: 'spki', format: 'der' }))
        .digest('hex'),
    );
  });

  test('contributes its key and nothing else, whatever names it asks for (C-15)', async () => {
    const request = await requestOf({ name: 'ECDSA', namedCurve: 'P-256' }, ['c2', 'localhost']);
    expect(Object.keys(await readCsr(request))).toEqual(['publicKey']);
  });

  test('with a bad signature is refused (C-15)', async () => {
    const der = derOf(await makeCsr((await generateKeyPair()).privateKey));
    der[der.length - 1]! ^= 1;
    await expect(readCsr(pem(der))).rejects.toThrow('invalid');
  });

  test("with somebody else's key is refused", async () => {
    const [mine, other] = await Promise.all([generateKeyPair(), generateKeyPair()]);
    const request = await Pkcs10CertificateRequestGenerator.create({
      keys: {
        privateKey: await signingKeyFrom(mine.privateKey),
        publicKey: await verifyingKeyFrom(other.publicKey),
      },
      signingAlgorithm,
    });
    await expect(readCsr(request.toString('pem'))).rejects.toThrow('not signed by the key it names');
  });

  test.each([
    ['P-384', { name: 'ECDSA', namedCurve: 'P-384' }],
    [
      'RSA 2048',
      {
        name: 'RSASSA-PKCS1-v1_5',
        modulusLength: 2048,
        publicExponent: new Uint8Array([1, 0, 1]),
        hash: 'SHA-256',
      },
    ],
    ['Ed25519', { name: 'Ed25519' }],
  ])('for a %s key is refused (C-14)', async (_, algorithm) => {
    await expect(readCsr(await requestOf(algorithm))).rejects.toThrow('P-256');
  });

  test('for a secp256k1 key is refused', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'secp256k1' });
    const good = derOf(await makeCsr((await generateKeyPair()).privateKey));
    expect(
      createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' })).asymmetricKeyDetails?.namedCurve,
    ).toBe('secp256k1');
    const p256 = Buffer.from('2a8648ce3d030107', 'hex');
    const at = good.indexOf(p256);
    const swapped = Buffer.concat([
      good.subarray(0, at),
      Buffer.from('2b8104000a', 'hex'),
      good.subarray(at + p256.length),
    ]);
    await expect(readCsr(pem(swapped))).rejects.toThrow('invalid');
  });

  test.each([
    ['nothing', ''],
    ['text', 'hello'],
    ['a certificate', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
    ['DER that ends early', pem(Buffer.from('3082ffff', 'hex'))],
    ['an indefinite length', pem(Buffer.from('30800000', 'hex'))],
    ['a length that is not minimal', pem(Buffer.from('308101000000', 'hex'))],
    ['an empty sequence', pem(Buffer.from('3000', 'hex'))],
    ['ten thousand nested sequences', pem(Buffer.from('3003'.repeat(3000), 'hex'))],
  ])('that is %s is refused', async (_, text) => {
    await expect(readCsr(text)).rejects.toThrow('the certificate request is invalid');
  });

  test('with ten thousand names is refused for its size (C-15)', async () => {
    const request = await requestOf(
      { name: 'ECDSA', namedCurve: 'P-256' },
      Array.from({ length: 2000 }, (_, at) => `n${at}.example`),
    );
    await expect(readCsr(request)).rejects.toThrow('invalid');
  });

  test('followed by a second one is refused', async () => {
    const request = await makeCsr((await generateKeyPair()).privateKey);
    await expect(readCsr(request + request)).rejects.toThrow('one PEM block');
  });
});
