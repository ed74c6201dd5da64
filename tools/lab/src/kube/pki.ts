// The certificate library registers its classes by reflection metadata, so the polyfill must be loaded before it.
import 'reflect-metadata';
import { generateKeyPairSync, webcrypto } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const TEN_YEARS_MS = 10 * 365 * 24 * 3_600_000;
// The clock of a virtual machine may step back after a resume; a certificate not yet valid would stop everything.
const BACKDATE_MS = 5 * 60_000;

/** The common name of the one certificate with which users may be named in headers. */
export const frontProxyName = 'front-proxy-client';

/** Where a certificate and its key lie. */
export interface KeyPairFiles {
  readonly cert: string;
  readonly key: string;
}

/** Whom a certificate is for. */
interface CertificateRequest {
  readonly commonName: string;
  readonly organization?: string | undefined;
  readonly hosts?: readonly string[];
}

/** The authority of one lab cluster and the certificates it has issued, all kept in one folder. */
export interface Pki {
  readonly ca: KeyPairFiles;
  readonly serviceAccount: { readonly publicKey: string; readonly privateKey: string };
  /**
   * What the API server shows to servers behind it. An authority of its own: whoever it vouches for may say in whose name he
   * asks, which a client of the cluster must not.
   */
  readonly frontProxy: { readonly ca: KeyPairFiles; readonly client: KeyPairFiles };
  /** A certificate under this file name: the one of an earlier run, or a new one. */
  issue(name: string, request: CertificateRequest): Promise<KeyPairFiles>;
}

/** Opens the folder of an earlier run, or makes an authority in it. */
export async function openPki(dir: string): Promise<Pki> {
  cryptoProvider.set(webcrypto);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const ca = filesOf(dir, 'ca');
  if (!existsSync(ca.cert)) await createAuthority(ca, 'postern-lab');
  return {
    ca,
    serviceAccount: serviceAccountKey(dir),
    frontProxy: await openFrontProxy(dir),
    async issue(name, request) {
      const files = filesOf(dir, name);
      if (!existsSync(files.cert)) await createLeaf(files, ca, request);
      return files;
    },
  };
}

async function openFrontProxy(dir: string): Promise<Pki['frontProxy']> {
  const [ca, client] = [filesOf(dir, 'front-proxy-ca'), filesOf(dir, frontProxyName)];
  if (!existsSync(ca.cert)) await createAuthority(ca, 'postern-lab-front-proxy');
  if (!existsSync(client.cert)) await createLeaf(client, ca, { commonName: frontProxyName });
  return { ca, client };
}

async function createAuthority(files: KeyPairFiles, commonName: string): Promise<void> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [commonName] }],
    keys,
    signingAlgorithm: algorithm,
    ...validity(),
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(
        KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign | KeyUsageFlags.digitalSignature,
        true,
      ),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  await save(files, certificate, keys.privateKey);
}

async function createLeaf(files: KeyPairFiles, ca: KeyPairFiles, request: CertificateRequest): Promise<void> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const issuer = new X509Certificate(readFileSync(ca.cert, 'utf8'));
  const certificate = await X509CertificateGenerator.create({
    subject: [{ CN: [request.commonName] }, ...(request.organization ? [{ O: [request.organization] }] : [])],
    issuer: issuer.subject,
    publicKey: keys.publicKey,
    signingKey: await readPrivateKey(ca.key),
    signingAlgorithm: algorithm,
    ...validity(),
    extensions: await leafExtensions(issuer, request),
  });
  await save(files, certificate, keys.privateKey);
}

async function leafExtensions(issuer: X509Certificate, request: CertificateRequest): Promise<Extension[]> {
  const hosts = request.hosts ?? [];
  const names = hosts.map((host) => ({ type: isIP(host) ? ('ip' as const) : ('dns' as const), value: host }));
  return [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    // etcd presents one certificate both ways, so a serving certificate is a client certificate as well.
    new ExtendedKeyUsageExtension([
      ...(hosts.length > 0 ? [ExtendedKeyUsage.serverAuth] : []),
      ExtendedKeyUsage.clientAuth,
    ]),
    await AuthorityKeyIdentifierExtension.create(issuer),
    ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : []),
  ];
}

function serviceAccountKey(dir: string): Pki['serviceAccount'] {
  const files = { publicKey: join(dir, 'service-account.pub'), privateKey: join(dir, 'service-account.key') };
  if (!existsSync(files.publicKey)) {
    // RSA, as real clusters have it: what verifies service account tokens should meet RS256 here.
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(files.privateKey, pair.privateKey.export({ type: 'pkcs1', format: 'pem' }), {
      mode: 0o600,
    });
    writeFileSync(files.publicKey, pair.publicKey.export({ type: 'spki', format: 'pem' }));
  }
  return files;
}

function readPrivateKey(file: string): Promise<webcrypto.CryptoKey> {
  const der = PemConverter.decodeFirst(readFileSync(file, 'utf8'));
  return webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']);
}

async function save(
  files: KeyPairFiles,
  certificate: X509Certificate,
  key: webcrypto.CryptoKey,
): Promise<void> {
  const der = await webcrypto.subtle.exportKey('pkcs8', key);
  writeFileSync(files.key, `${PemConverter.encode(der, 'PRIVATE KEY')}\n`, { mode: 0o600 });
  // Last: a certificate file means the pair is whole.
  writeFileSync(files.cert, `${certificate.toString('pem')}\n`);
}

function validity(): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - BACKDATE_MS), notAfter: new Date(now + TEN_YEARS_MS) };
}

function filesOf(dir: string, name: string): KeyPairFiles {
  return { cert: join(dir, `${name}.crt`), key: join(dir, `${name}.key`) };
}
