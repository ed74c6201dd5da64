import { createPrivateKey, type KeyObject } from 'node:crypto';
import { open } from 'node:fs/promises';
import { failure } from '@postern/core';
import { readCertificate, splitPem } from './trust.ts';
import { writeSecureFile } from './secure-file.ts';

/** An identity file: who one is, and whom to trust, in one PEM text. */
export interface IdentityFile {
  /** PEM, PKCS#8. */
  readonly key: string;
  /** PEM. */
  readonly certificate: string;
  /** PEM bundle of the host CA. */
  readonly hostCa: string;
  readonly clusterName?: string;
  /** host:port of the edge. */
  readonly proxy?: string;
}

/** A file that is not an identity file. */
export const InvalidIdentityFile = failure(
  'invalid_argument',
  'identity.invalid_identity_file',
  (why: string) => `this is not an identity file: ${why}`,
);

const maxBytes = 256 * 1024;

/** The text of an identity file. */
export function formatIdentityFile({ key, certificate, hostCa, clusterName, proxy }: IdentityFile): string {
  const comments = [
    ...(clusterName === undefined ? [] : [`# postern-cluster: ${oneLine(clusterName)}`]),
    ...(proxy === undefined ? [] : [`# postern-proxy: ${oneLine(proxy)}`]),
  ];
  const blocks = [key, certificate, hostCa].map((pem) => pem.trim());
  return `${[...comments, ...blocks].join('\n')}\n`;
}

/** Writes an identity file, 0600, all of it or nothing. */
export function writeIdentityFile(path: string, identity: IdentityFile): Promise<void> {
  return writeSecureFile(path, formatIdentityFile(identity));
}

/** Reads an identity file. */
export async function readIdentityFile(path: string): Promise<IdentityFile> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw InvalidIdentityFile.from(error, `${path} cannot be opened (${error.code})`);
  });
  try {
    const stat = await file.stat();
    if (!stat.isFile() || stat.size > maxBytes)
      throw InvalidIdentityFile(`${path} is not a regular file of sensible size`);
    return parseIdentityFile(await file.readFile('utf8'));
  } finally {
    await file.close();
  }
}

/** Parses the text of an identity file: one private key, its certificate, and one or more CA certificates, in this order. */
export function parseIdentityFile(text: string): IdentityFile {
  const [key, ...others] =
    text.match(/-----BEGIN (?:EC )?PRIVATE KEY-----[A-Za-z0-9+/=\s]+-----END (?:EC )?PRIVATE KEY-----/g) ??
    [];
  if (!key || others.length > 0) throw InvalidIdentityFile('it must hold exactly one private key');
  const [certificate, ...authorities] = splitPem(text);
  if (!certificate || authorities.length === 0)
    throw InvalidIdentityFile('it must hold a certificate and its authorities');
  if (!readCertificate(certificate).checkPrivateKey(readKey(key))) {
    throw InvalidIdentityFile('its private key does not belong to its certificate');
  }
  if (!authorities.every((pem) => readCertificate(pem).ca))
    throw InvalidIdentityFile('it holds more than one leaf certificate');
  const clusterName = comment(text, 'postern-cluster');
  const proxy = comment(text, 'postern-proxy');
  return {
    key: `${key}\n`,
    certificate,
    hostCa: authorities.join(''),
    ...(clusterName === undefined ? {} : { clusterName }),
    ...(proxy === undefined ? {} : { proxy }),
  };
}

function readKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    throw InvalidIdentityFile.from(error, 'its private key cannot be read');
  }
}

function comment(text: string, name: string): string | undefined {
  return new RegExp(`^# ${name}: (\\S+)$`, 'm').exec(text)?.[1];
}

function oneLine(text: string): string {
  if (/\s/.test(text)) throw InvalidIdentityFile('a comment holds a blank');
  return text;
}
