import { hkdfSync, randomBytes, X509Certificate } from 'node:crypto';
import { type LookupAddress, type LookupAllOptions, lookup as systemLookup } from 'node:dns';
import { readFile } from 'node:fs/promises';
import { isIP, type LookupFunction } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { type Clock, failure, type Secret, systemClock } from '@postern/core';
import type { Dispatcher } from 'undici';
import { Credentials, type CredentialSource, staticAuthorization, tokenFileSource } from './credentials.ts';
import { Connector } from './http/connector.ts';
import { Http1Pool } from './http/http1-pool.ts';
import { Http2Streams } from './http/http2-streams.ts';

/** Where an API server is and what it is told about who we are. Certificates and keys are PEM. */
export interface ApiServerSettings {
  /** `https://host:port/path`, checked by whoever read it. */
  readonly server: string;
  readonly tlsServerName?: string;
  readonly ca?: string;
  readonly clientCertificate?: string;
  readonly clientKey?: string;
  readonly token?: string | Secret;
  readonly basic?: { readonly username: string; readonly password: string };
  /** Path of a token that is replaced while we run, as a pod's service account token is. Read again every minute. */
  readonly tokenFile?: string;
  /** Path of the authorities, where they are replaced while we run. Read again at each `reload`. */
  readonly caFile?: string;
  /** Where credentials come from that are neither a certificate, a token nor a file. */
  readonly credentials?: CredentialSource;
}

/** What the operator of this process allows. */
export interface ApiServerRules {
  /** Whether an address may be connected to; asked for the address a name resolved to, right before connecting to it. */
  readonly mayConnect: (address: string) => boolean;
}

/** A server at an address that this process must not connect to. */
export const AddressRefused = failure(
  'permission_denied',
  'kube.address_refused',
  (host: string) =>
    `connecting to ${host} is not allowed: link-local and metadata addresses never are, loopback ones only by the agent's configuration`,
);

/** Something other than an https URL. */
export const InvalidServer = failure(
  'invalid_argument',
  'kube.invalid_server',
  () => "the cluster's server must be an https URL",
);

/**
 * One API server and our credentials for it. Short requests have connections of their own, which cost least; answers that
 * stay open share connections, of which an idle watch is but a small part.
 */
export class ApiServer implements AsyncDisposable {
  /** `https://host:port`. */
  readonly origin: string;
  /** host:port, for the Host header. */
  readonly host: string;
  /** Path prefix of the API, without a trailing slash. */
  readonly basePath: string;
  readonly requests: Dispatcher;
  readonly streams: Dispatcher;
  readonly credentials: Credentials;
  readonly #caFile: string | undefined;
  readonly #keyMaterial: Buffer;
  readonly #connector: Connector;

  constructor(settings: ApiServerSettings, rules: ApiServerRules, clock: Clock = systemClock) {
    const url = parseServer(settings.server, rules);
    this.origin = url.origin;
    this.host = url.host;
    this.basePath = url.pathname.replace(/\/+$/, '');
    this.#caFile = settings.caFile;
    this.#keyMaterial = sharedSecretOf(settings) ?? randomBytes(32);
    this.#connector = new Connector(tlsOptions(url, settings, rules));
    this.requests = new Http1Pool(this.#connector, false);
    this.streams = new Http2Streams(this.#connector, this.origin);
    this.credentials = credentialsOf(settings, clock);
  }

  /** Options of `tls.connect` for a connection of its own, as upgrades need. */
  get tls(): ConnectionOptions {
    return this.#connector.options;
  }

  /** Header names and values that identify us; none where the client certificate does. Throws while there are none to be had. */
  authorization(): readonly string[] {
    return this.credentials.headers();
  }

  /**
   * Reads the authorities again where they are in a file. New connections trust the new ones, those that are open stay, and a
   * file that holds none changes nothing.
   */
  async reload(): Promise<void> {
    if (this.#caFile === undefined) return;
    const ca = await readFile(this.#caFile, 'utf8').catch(() => '');
    if (ca !== this.tls.ca && isCertificate(ca)) this.#connector.trust(ca);
  }

  /**
   * A key of 32 bytes for a purpose, made of our credentials: every process that holds the same ones makes the same key.
   * Where they are this process's own (the token of its pod), or there are none, the key is so too, and random.
   */
  derivedKey(purpose: string): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#keyMaterial, '', purpose, 32));
  }

  /** Cuts every connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.requests.destroy(), this.streams.destroy()]);
  }
}

function parseServer(server: string, rules: ApiServerRules): URL {
  const url = URL.parse(server);
  if (!url || url.protocol !== 'https:' || url.username !== '' || url.password !== '') throw InvalidServer();
  const host = hostOf(url);
  if (isIP(host) !== 0 && !rules.mayConnect(host)) throw AddressRefused(host);
  return url;
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

type ResolveAll = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

function tlsOptions(url: URL, settings: ApiServerSettings, rules: ApiServerRules): ConnectionOptions {
  const { ca, clientCertificate, clientKey, tlsServerName } = settings;
  const host = hostOf(url);
  const servername = tlsServerName ?? (isIP(host) === 0 ? host : undefined);
  return {
    host,
    port: url.port === '' ? 443 : Number(url.port),
    minVersion: 'TLSv1.2',
    ...(ca === undefined ? {} : { ca }),
    ...(clientCertificate === undefined ? {} : { cert: clientCertificate }),
    ...(clientKey === undefined ? {} : { key: clientKey }),
    ...(servername === undefined ? {} : { servername }),
    lookup: guardedLookup(rules),
  };
}

/**
 * Resolves a name and gives only addresses that may be connected to: what was checked is what is used. Names are resolved by `resolve`,
 * that of the system where nothing else is given.
 */
export function guardedLookup(
  { mayConnect }: ApiServerRules,
  resolve: ResolveAll = systemLookup,
): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, []);
      const allowed = addresses.filter(({ address }) => mayConnect(address));
      const [first] = allowed;
      if (!first) return callback(AddressRefused(hostname), []);
      return options.all ? callback(null, allowed) : callback(null, first.address, first.family);
    });
  };
}

function sharedSecretOf({ token, clientKey, basic }: ApiServerSettings): Buffer | undefined {
  const secrets = [typeof token === 'object' ? token.reveal() : token, clientKey, basic?.password];
  return secrets.some((secret) => secret !== undefined) ? Buffer.from(JSON.stringify(secrets)) : undefined;
}

/** A file that is being written holds less than a certificate, and must not end the trust there was. */
function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

function credentialsOf(settings: ApiServerSettings, clock: Clock): Credentials {
  const { credentials: source, tokenFile } = settings;
  if (source) return new Credentials(source, clock);
  const first = staticAuthorization(settings);
  if (tokenFile === undefined) return new Credentials(async () => first, clock, first);
  // The token that was read with the settings is in use at once, and looked at again by the first request.
  return new Credentials(tokenFileSource(tokenFile, clock), clock, { ...first, goodUntil: clock() });
}
