import { constants, X509Certificate } from 'node:crypto';
import type { ConnectionOptions, PeerCertificate, SecureContextOptions, TLSSocket } from 'node:tls';
import type { HeldIdentity } from './held-identity.ts';
import type { Peer } from './jws.ts';
import { type Principal, principalOf, UntrustedCertificate } from './principal.ts';
import type { PrincipalType } from './spiffe-id.ts';
import type { TrustBundle } from './trust.ts';

/** Whose client certificates a server accepts: of agents and services only, or of people and bots as well. */
export type AcceptedClients = 'host' | 'all';

/**
 * The secure context of a server: its key, certificate and the authorities of its clients. Session tickets are off:
 * a resumed session would skip the client certificate, and with it every check since.
 */
export function serverContext(held: HeldIdentity, clients: AcceptedClients): SecureContextOptions {
  const { key, certificate, hostChain = '', hostCa, userCa } = held.current();
  return {
    key,
    cert: certificate + hostChain,
    ca: clients === 'host' ? [hostCa] : [hostCa, userCa],
    minVersion: 'TLSv1.2',
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    honorCipherOrder: true,
  };
}

/** Options of a TLS server on top of its secure context. */
export interface ServerTlsOptions extends SecureContextOptions {
  readonly requestCert: true;
  /** Connections without a certificate get in; `peerOf` tells who is at the other end, and refuses a bad certificate. */
  readonly rejectUnauthorized: false;
  readonly handshakeTimeout: number;
}

const handshakeTimeoutMs = 10_000;

/** Options for `https.createServer` and `http2.createSecureServer`. Call `setSecureContext(serverContext(…))` on change. */
export function serverTls(held: HeldIdentity, clients: AcceptedClients): ServerTlsOptions {
  return {
    ...serverContext(held, clients),
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: handshakeTimeoutMs,
  };
}

/** Keeps the certificate of a running server current; the answer stops that. */
export function followIdentity(
  server: { setSecureContext(options: SecureContextOptions): void },
  held: HeldIdentity,
  clients: AcceptedClients,
): () => void {
  return held.onChange(() => server.setSecureContext(serverContext(held, clients)));
}

interface KnownPeer {
  readonly peer: Peer;
  readonly trust: TrustBundle;
}

const peers = new WeakMap<TLSSocket, KnownPeer>();

/**
 * Who is at the other end of an accepted connection; undefined when it showed no certificate. Verified once per connection and
 * trust: an expired certificate is refused from that moment on, and one of an authority that is not trusted any more as well.
 */
export function peerOf(socket: TLSSocket, trust: TrustBundle, at: Date): Peer | undefined {
  const known = peers.get(socket);
  if (known && isSameTrust(known.trust, trust)) return unexpired(known.peer, at);
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return undefined;
  if (!socket.authorized) throw UntrustedCertificate('it could not be verified');
  const peer = { certificate, principal: principalOf(certificate, trust, { at }) };
  peers.set(socket, { peer, trust });
  return peer;
}

function isSameTrust(one: TrustBundle, other: TrustBundle): boolean {
  return one.hostCa === other.hostCa && one.userCa === other.userCa;
}

function unexpired(peer: Peer, at: Date): Peer {
  if (peer.principal.notAfter <= at) throw UntrustedCertificate('it has expired');
  return peer;
}

/** Who must be at the other end of a connection that we open. */
export interface ExpectedServer {
  readonly type: PrincipalType;
  readonly role?: string;
  readonly id?: string;
}

/** Where a client connects to. */
export interface ClientTls {
  /** For SNI. An address is not a server name; leave it out then. */
  readonly servername?: string;
  /** The server is recognised by its SPIFFE name instead of its host name. */
  readonly expect?: ExpectedServer;
}

/** Options for `tls.connect`, undici and http2: our certificate, the host CA alone, and a check of who answers. */
export function clientTls(held: HeldIdentity, { servername, expect }: ClientTls): ConnectionOptions {
  const { key, certificate, hostCa } = held.current();
  return {
    key,
    cert: certificate,
    ca: hostCa,
    minVersion: 'TLSv1.2',
    ...(servername === undefined ? {} : { servername }),
    ...(expect ? { checkServerIdentity: serverCheck(() => held.trust(), expect) } : {}),
  };
}

/** A `checkServerIdentity` that goes by the server's SPIFFE name. */
export function serverCheck(
  trust: () => TrustBundle,
  expect: ExpectedServer,
): (hostname: string, certificate: PeerCertificate) => Error | undefined {
  return (_, { raw }) => {
    try {
      const principal = principalOf(new X509Certificate(raw), trust(), { purpose: 'server' });
      return isExpected(principal, expect)
        ? undefined
        : UntrustedCertificate('another server answered than expected');
    } catch (error) {
      return error as Error;
    }
  };
}

function isExpected(principal: Principal, { type, role, id }: ExpectedServer): boolean {
  return (
    principal.type === type &&
    (role === undefined || principal.roles.includes(role)) &&
    (id === undefined || principal.id === id)
  );
}
