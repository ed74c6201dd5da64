import { createPrivateKey, X509Certificate } from 'node:crypto';
import { failure, isPlainObject } from '@postern/core';
import { stringify } from 'yaml';
import { readDocuments } from './documents.ts';
import { apiServerUrl } from './api-server-url.ts';

/** A kubeconfig that is not used. The message never repeats what is in it beyond names. */
export const InvalidKubeconfig = failure(
  'invalid_argument',
  'contracts.invalid_kubeconfig',
  (why: string) => `invalid kubeconfig: ${why}`,
);

/** What is left of a kubeconfig: one API server and one set of credentials, all inline. */
export interface Kubeconfig {
  /** `https://host:port/path`, checked, without a trailing slash. */
  readonly server: string;
  readonly tlsServerName?: string;
  /** PEM; the system's authorities where absent. */
  readonly ca?: string;
  /** PEM, always both or none. */
  readonly clientCertificate?: string;
  readonly clientKey?: string;
  readonly token?: string;
  readonly basic?: { readonly username: string; readonly password: string };
}

/** What the reader of a kubeconfig decides. */
export interface KubeconfigOptions {
  /** Whether the server may be on this machine. An agent says no unless it was told to. */
  readonly allowLoopback: boolean;
}

const maxBytes = 256 * 1024;
const maxCertificates = 64;

/** Decodes `spec.kubeconfig`: base64 in which blanks and line breaks may be anywhere. */
export function decodeKubeconfig(base64: string): string {
  if (base64.length > 2 * maxBytes) throw InvalidKubeconfig(`it is larger than ${maxBytes / 1024} KiB`);
  const packed = base64.replaceAll(/\s+/g, '');
  if (!isBase64(packed)) throw InvalidKubeconfig('it must be base64 of a kubeconfig file');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(packed, 'base64'));
  } catch (error) {
    throw InvalidKubeconfig.from(error, 'it is not UTF-8 text; encode the file once');
  }
}

/**
 * Reads a kubeconfig and keeps the one context that is selected. Everything that would run a program, read a file of the
 * machine that loads it, or lead the connection elsewhere is refused: whoever may register a cluster is not thereby allowed
 * to run code on an agent.
 */
export function parseKubeconfig(text: string, options: KubeconfigOptions): Kubeconfig {
  const [config, ...others] = readDocuments(text, { maxBytes });
  if (others.length > 0 || !isPlainObject(config)) throw InvalidKubeconfig('it must be one mapping');
  if (present(config['kind']) && config['kind'] !== 'Config')
    throw InvalidKubeconfig('its kind must be Config');
  const context = selectedContext(config);
  const cluster = entryNamed(config, { list: 'clusters', item: 'cluster', name: textOf(context, 'cluster') });
  const user = entryNamed(config, { list: 'users', item: 'user', name: textOf(context, 'user') });
  return { ...clusterOf(cluster, options), ...credentialsOf(user) };
}

/** The same kubeconfig as text, with nothing in it but what is used. */
export function formatKubeconfig(kubeconfig: Kubeconfig): string {
  const { server, tlsServerName, ca, clientCertificate, clientKey, token, basic } = kubeconfig;
  const cluster = {
    server,
    ...optional('tls-server-name', tlsServerName),
    ...encoded('certificate-authority-data', ca),
  };
  const user = {
    ...encoded('client-certificate-data', clientCertificate),
    ...encoded('client-key-data', clientKey),
    ...optional('token', token),
    ...basic,
  };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'default',
    clusters: [{ name: 'default', cluster }],
    users: [{ name: 'default', user }],
    contexts: [{ name: 'default', context: { cluster: 'default', user: 'default' } }],
  };
  return stringify(config, { lineWidth: 0 });
}

function selectedContext(config: Record<string, unknown>): Record<string, unknown> {
  const contexts = entries(config, 'contexts');
  const current = textOf(config, 'current-context');
  if (!current && contexts.length !== 1) {
    throw InvalidKubeconfig('it has no current-context: select one with kubectl config use-context');
  }
  return entryNamed(config, {
    list: 'contexts',
    item: 'context',
    name: current ?? textOf(contexts[0]!, 'name'),
  });
}

interface Reference {
  readonly list: 'clusters' | 'users' | 'contexts';
  readonly item: 'cluster' | 'user' | 'context';
  readonly name: string | undefined;
}

function entryNamed(
  config: Record<string, unknown>,
  { list, item, name }: Reference,
): Record<string, unknown> {
  const found = entries(config, list).filter((entry) => entry['name'] === name);
  const quoted = JSON.stringify((name ?? '').slice(0, 100));
  if (found.length === 0) throw InvalidKubeconfig(`there is no ${item} named ${quoted}`);
  if (found.length > 1) throw InvalidKubeconfig(`there are several ${list} named ${quoted}`);
  const value = found[0]![item] ?? {};
  if (!isPlainObject(value)) throw InvalidKubeconfig(`${item} ${quoted} must be a mapping`);
  return value;
}

function entries(config: Record<string, unknown>, list: string): Record<string, unknown>[] {
  const value = config[list] ?? [];
  if (!Array.isArray(value) || !value.every(isPlainObject))
    throw InvalidKubeconfig(`${list} must be a list of mappings`);
  return value;
}

function clusterOf(
  cluster: Record<string, unknown>,
  options: KubeconfigOptions,
): Pick<Kubeconfig, 'server' | 'tlsServerName' | 'ca'> {
  refuseFields(cluster, {
    'proxy-url': 'proxy-url is not allowed',
    'certificate-authority': 'certificate-authority names a file; use certificate-authority-data',
  });
  const insecure = cluster['insecure-skip-tls-verify'];
  if (present(insecure) && insecure !== false)
    throw InvalidKubeconfig('insecure-skip-tls-verify is not allowed');
  const tlsServerName = textOf(cluster, 'tls-server-name');
  if (tlsServerName && !/^[A-Za-z0-9]([A-Za-z0-9.:_-]{0,251}[A-Za-z0-9])?$/.test(tlsServerName)) {
    throw InvalidKubeconfig('tls-server-name must be a host name');
  }
  const ca = certificatesOf(cluster, 'certificate-authority-data');
  const server = apiServerUrl(textOf(cluster, 'server') ?? '', options, InvalidKubeconfig);
  return { server, ...optional('tlsServerName', tlsServerName), ...optional('ca', ca) };
}

type Credentials = Omit<Kubeconfig, 'server' | 'tlsServerName' | 'ca'>;

function credentialsOf(user: Record<string, unknown>): Credentials {
  refuseFields(user, {
    exec: 'exec plugins are not allowed: use a service account token, as get-kubeconfig makes',
    'auth-provider': 'auth-provider is not allowed: use a service account token, as get-kubeconfig makes',
    tokenFile: 'tokenFile names a file; use token',
    'client-certificate': 'client-certificate names a file; use client-certificate-data',
    'client-key': 'client-key names a file; use client-key-data',
    as: 'impersonation (as) is not allowed',
    'as-uid': 'impersonation (as-uid) is not allowed',
    'as-groups': 'impersonation (as-groups) is not allowed',
    'as-user-extra': 'impersonation (as-user-extra) is not allowed',
  });
  const found = { ...keyPairOf(user), ...tokenOf(user), ...basicOf(user) };
  if (Object.keys(found).length === 0) throw InvalidKubeconfig('its user has no credentials');
  return found;
}

function keyPairOf(user: Record<string, unknown>): Credentials {
  const clientCertificate = certificatesOf(user, 'client-certificate-data');
  const clientKey = decoded(user, 'client-key-data');
  if (!clientCertificate && !clientKey) return {};
  if (!clientCertificate || !clientKey) {
    throw InvalidKubeconfig('client-certificate-data and client-key-data belong together');
  }
  if (!belongsTo(clientKey, clientCertificate)) {
    throw InvalidKubeconfig('client-key-data is not the private key of client-certificate-data');
  }
  return { clientCertificate, clientKey };
}

function belongsTo(key: string, certificates: string): boolean {
  try {
    return new X509Certificate(certificates).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

function tokenOf(user: Record<string, unknown>): Credentials {
  const token = textOf(user, 'token')?.trim();
  if (!token) return {};
  if (!/^[\x21-\x7e]{1,16384}$/.test(token))
    throw InvalidKubeconfig('token must be printable text without blanks');
  return { token };
}

function basicOf(user: Record<string, unknown>): Credentials {
  const username = textOf(user, 'username');
  const password = textOf(user, 'password') ?? '';
  if (!username) return {};
  if (username.includes(':') || /\p{Cc}/u.test(username + password)) {
    throw InvalidKubeconfig(
      'username and password must not hold control characters, nor the username a colon',
    );
  }
  return { basic: { username, password } };
}

function certificatesOf(source: Record<string, unknown>, field: string): string | undefined {
  const pem = decoded(source, field);
  if (pem === undefined) return undefined;
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw InvalidKubeconfig(`${field} holds no certificate`);
  if (blocks.length > maxCertificates)
    throw InvalidKubeconfig(`${field} holds more than ${maxCertificates} certificates`);
  if (!blocks.every(isCertificate))
    throw InvalidKubeconfig(`${field} holds something that is not a certificate`);
  return `${blocks.join('\n')}\n`;
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== null;
  } catch {
    return false;
  }
}

function decoded(source: Record<string, unknown>, field: string): string | undefined {
  const packed = textOf(source, field)?.replaceAll(/\s+/g, '');
  if (!packed) return undefined;
  if (!isBase64(packed)) throw InvalidKubeconfig(`${field} must be base64`);
  return Buffer.from(packed, 'base64').toString('latin1');
}

function refuseFields(source: Record<string, unknown>, reasons: Readonly<Record<string, string>>): void {
  for (const [field, reason] of Object.entries(reasons)) {
    if (Object.hasOwn(source, field) && present(source[field])) throw InvalidKubeconfig(reason);
  }
}

function present(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '';
}

function textOf(source: Record<string, unknown>, field: string): string | undefined {
  const value = Object.hasOwn(source, field) ? source[field] : undefined;
  if (!present(value)) return undefined;
  if (typeof value === 'string') return value;
  throw InvalidKubeconfig(`${field} must be a text; put it in quotes`);
}

function isBase64(text: string): boolean {
  return text.length > 0 && text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text);
}

function optional<K extends string>(key: K, value: string | undefined): { readonly [P in K]?: string } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: string });
}

function encoded<K extends string>(key: K, pem: string | undefined): { readonly [P in K]?: string } {
  return optional(key, pem === undefined ? undefined : Buffer.from(pem, 'latin1').toString('base64'));
}
