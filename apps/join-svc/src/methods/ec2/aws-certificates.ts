import { type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isPlainObject, parseJson } from '@postern/core';

/** The key by which the instance identity documents of a region are signed; undefined for a region that is not known. */
export type RegionKeys = (region: string) => KeyObject | undefined;

/**
 * AWS's own RSA-2048 certificates by region, DER in base64. Source: the EC2 user guide, "AWS public certificates for instance
 * identity document signatures" (docs.aws.amazon.com/AWSEC2/latest/UserGuide/regions-certs.html).
 */
const tablePath = join(import.meta.dirname, 'aws-certificates.json');

/** Keys of the regions that AWS has published certificates of, and of those that the operator adds as PEM. */
export function regionKeys(added: Readonly<Record<string, string>> = {}): RegionKeys {
  const table = new Map(Object.entries(added).map(([region, pem]) => [region, keyOf(pem)]));
  for (const [region, der] of Object.entries(publishedCertificates()))
    if (!table.has(region)) table.set(region, keyOf(Buffer.from(der, 'base64')));
  return (region) => table.get(region);
}

/** Certificates by region. */
export function publishedCertificates(): Record<string, string> {
  const table = parseJson(readFileSync(tablePath, 'utf8'));
  if (!isPlainObject(table)) throw new TypeError(`${tablePath} is not a table of certificates`);
  return table as Record<string, string>;
}

function keyOf(certificate: string | Buffer): KeyObject {
  return new X509Certificate(certificate).publicKey;
}
