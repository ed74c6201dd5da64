import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A region whose metadata service signs identity documents, by OpenSSL. */
export interface TestRegion extends Disposable {
  /** PEM. */
  readonly certificate: string;
  /** Base64 of a CMS message, as instances get it; `options` are of `openssl cms`. */
  sign(document: unknown, options?: readonly string[]): string;
}

export const startedAt = new Date('2026-11-21T12:00:00Z');

export const instanceDocument = {
  accountId: '123456789012',
  architecture: 'x86_64',
  availabilityZone: 'us-west-2b',
  billingProducts: null,
  imageId: 'ami-5fb8c835',
  instanceId: 'i-0123456789abcdef0',
  instanceType: 't2.micro',
  pendingTime: '2026-11-21T12:00:00Z',
  privateIp: '10.158.112.84',
  region: 'us-west-2',
  version: '2017-09-30',
};

/** AWS writes messages without stated lengths, which `-stream` does too. */
const asAwsDoes = ['-stream', '-md', 'sha256'];

export function testRegion(): TestRegion {
  const folder = mkdtempSync(join(tmpdir(), 'region-'));
  const [key, certificate, document] = ['key.pem', 'certificate.pem', 'document'].map((name) =>
    join(folder, name),
  ) as [string, string, string];
  const newCertificate = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '36500'];
  openssl([...newCertificate, '-subj', '/CN=region', '-keyout', key, '-out', certificate]);
  return {
    certificate: readFileSync(certificate, 'utf8'),
    sign: (content, options = asAwsDoes) => {
      writeFileSync(document, typeof content === 'string' ? content : JSON.stringify(content));
      const signed = ['cms', '-sign', '-binary', '-nodetach', '-in', document, '-outform', 'DER'];
      return openssl([...signed, '-signer', certificate, '-inkey', key, ...options]).toString('base64');
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

function openssl(args: readonly string[]): Buffer {
  return execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'] });
}
