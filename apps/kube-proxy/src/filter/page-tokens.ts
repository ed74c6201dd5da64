import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { failure } from '@postern/core';
import { UnreadableAnswer } from './body-filter.ts';

/** A token for a next page that is not of this list, this user or this cluster, or was made with credentials of before. */
export const ContinueExpired = failure(
  'failed_precondition',
  'kube.continue_expired',
  () => 'the provided continue parameter does not fit this list any more; list again without it',
);

const prefix = 'postern.';
const algorithm = 'aes-256-gcm';
const nonceBytes = 12;
const tagBytes = 16;
const lengthBytes = 2;
/** Sealed tokens are of few lengths, so that they do not tell the length of a name. */
const paddingBytes = 256;
const maxTokenBytes = 8 * 1024;
const maxSealedLength = 16 * 1024;

/** What a sealed token is good for: the same user, cluster, resource and selectors. Any other use fails to open it. */
export type TokenUse = readonly string[];

/** Whether a token for a next page was sealed here. */
export function isSealed(token: string): boolean {
  return token.startsWith(prefix);
}

/**
 * Seals the API server's token for the next page. It holds the key of an object in the clear, which may be one that the user
 * must not know of. Any process with the same key opens it. `key` has 32 bytes.
 */
export function sealToken(key: Buffer, token: string, use: TokenUse): string {
  const content = Buffer.from(token);
  if (content.length > maxTokenBytes) throw UnreadableAnswer('its token for the next page is too long');
  const padded = Buffer.alloc(Math.ceil((lengthBytes + content.length) / paddingBytes) * paddingBytes);
  padded.writeUInt16BE(content.length);
  content.copy(padded, lengthBytes);
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(algorithm, key, nonce).setAAD(boundTo(use));
  const sealed = Buffer.concat([nonce, cipher.update(padded), cipher.final(), cipher.getAuthTag()]);
  return prefix + sealed.toString('base64url');
}

/** The API server's token again. Throws unless it was sealed with this key for this use. */
export function openToken(key: Buffer, sealed: string, use: TokenUse): string {
  const bytes = sealed.length <= maxSealedLength ? sealedBytes(sealed) : undefined;
  if (!bytes) throw ContinueExpired();
  try {
    const decipher = createDecipheriv(algorithm, key, bytes.subarray(0, nonceBytes))
      .setAAD(boundTo(use))
      .setAuthTag(bytes.subarray(-tagBytes));
    const padded = Buffer.concat([decipher.update(bytes.subarray(nonceBytes, -tagBytes)), decipher.final()]);
    return padded.toString('utf8', lengthBytes, lengthBytes + padded.readUInt16BE());
  } catch (error) {
    throw ContinueExpired.from(error);
  }
}

function sealedBytes(sealed: string): Buffer | undefined {
  if (!isSealed(sealed) || !/^[A-Za-z0-9_-]+$/.test(sealed.slice(prefix.length))) return undefined;
  const bytes = Buffer.from(sealed.slice(prefix.length), 'base64url');
  return bytes.length > nonceBytes + tagBytes ? bytes : undefined;
}

function boundTo(use: TokenUse): Buffer {
  return Buffer.from(JSON.stringify(use));
}
