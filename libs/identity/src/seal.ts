import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { failure, Secret, sha256Hex } from '@postern/core';
import { readSecretFile } from './secure-file.ts';

/** Something that was sealed with another key, for another place, or changed since. */
export const CannotUnseal = failure(
  'internal',
  'identity.cannot_unseal',
  (why: string) => `a sealed secret cannot be opened: ${why}`,
);

/** A key file that does not hold 32 bytes of base64. */
export const InvalidKeyFile = failure(
  'invalid_argument',
  'identity.invalid_key_file',
  (path: string) => `${path} must hold one key: 32 random bytes in base64`,
);

/**
 * Encrypts secrets at rest: a random data key per secret (AES-256-GCM), itself encrypted by the key encryption key, whose
 * id is kept beside it. `context` names the place of the secret (schema, row, field) and is authenticated, so that a
 * sealed value copied into another row does not open there. Asynchronous, because the key may be in a KMS.
 */
export interface Sealer {
  readonly keyId: string;
  seal(plain: string, context: string): Promise<string>;
  unseal(sealed: string, context: string): Promise<Secret>;
}

const version = 'psl1';
const keyBytes = 32;
const ivBytes = 12;
const tagBytes = 16;

/** A sealer for a key encryption key (32 bytes). Values sealed with one of the older keys still open. */
export function createSealer(key: Uint8Array, older: readonly Uint8Array[] = []): Sealer {
  const keys = new Map([...older, key].map((each) => [keyIdOf(each), each]));
  const keyId = keyIdOf(key);
  return {
    keyId,
    seal: async (plain, context) => {
      const dataKey = randomBytes(keyBytes);
      const wrapped = encrypt(key, dataKey, `key|${keyId}|${context}`);
      return [version, keyId, wrapped, encrypt(dataKey, Buffer.from(plain), `data|${keyId}|${context}`)].join(
        '.',
      );
    },
    unseal: async (sealed, context) => {
      const [found, id, wrapped, body, ...rest] = sealed.split('.');
      if (found !== version || !id || !wrapped || !body || rest.length > 0)
        throw CannotUnseal('its form is unknown');
      const wrapping = keys.get(id);
      if (!wrapping) throw CannotUnseal(`it needs the key ${id}`);
      const dataKey = decrypt(wrapping, wrapped, `key|${id}|${context}`);
      return new Secret(decrypt(dataKey, body, `data|${id}|${context}`).toString());
    },
  };
}

/** The sealer whose key is in a file: 32 bytes, base64, unreadable for others. */
export async function openSealer(keyFile: string): Promise<Sealer> {
  return sealerFrom(await readSecretFile(keyFile, { maxBytes: 200 }), keyFile);
}

/** The sealer of a key text: 32 bytes, base64. `where` is what a message calls its place. */
export function sealerFrom(keyText: Secret, where = 'the key file'): Sealer {
  const text = keyText.reveal().trim();
  const key = Buffer.from(text, 'base64');
  if (key.length !== keyBytes || key.toString('base64') !== text) throw InvalidKeyFile(where);
  return createSealer(key);
}

/** A new random key encryption key, as its file holds it. */
export function newKeyText(): Secret {
  return new Secret(`${randomBytes(keyBytes).toString('base64')}\n`);
}

function keyIdOf(key: Uint8Array): string {
  if (key.length !== keyBytes) throw CannotUnseal('its key has the wrong length');
  return sha256Hex(Buffer.concat([Buffer.from('postern key id|'), key])).slice(0, 16);
}

function encrypt(key: Uint8Array, plain: Uint8Array, aad: string): string {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(aad));
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([iv, body, cipher.getAuthTag()]).toString('base64url');
}

function decrypt(key: Uint8Array, text: string, aad: string): Buffer {
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.length < ivBytes + tagBytes) throw CannotUnseal('it is cut short');
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, ivBytes), {
    authTagLength: tagBytes,
  })
    .setAAD(Buffer.from(aad))
    .setAuthTag(bytes.subarray(-tagBytes));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(ivBytes, -tagBytes)), decipher.final()]);
  } catch (error) {
    throw CannotUnseal.from(error, 'it was changed, or belongs elsewhere');
  }
}
