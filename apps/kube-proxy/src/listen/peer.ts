import type { TLSSocket } from 'node:tls';
import { type AppError, failure, toAppError } from '@postern/core';
import { type Peer as VerifiedPeer, peerOf, type Principal, type TrustBundle } from '@postern/identity';

/** A client certificate that TLS or the trust bundle refused. The cause is for the log. */
export const CertificateRefused = failure(
  'unauthenticated',
  'kube.certificate_refused',
  () => 'the client certificate is not valid here',
);

/** Who is at the other end of a connection. Read once when the handshake is done. */
export interface Peer {
  readonly address: string;
  readonly principal: Principal | undefined;
  /** Principal and certificate, for what only the owner of its key may say. */
  readonly verified: VerifiedPeer | undefined;
  /** Why a certificate that was shown gave no principal. */
  readonly refusal: AppError | undefined;
}

export function readPeer(socket: TLSSocket, trust: TrustBundle, at: Date): Peer {
  const address = (socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  try {
    const verified = peerOf(socket, trust, at);
    return { address, principal: verified?.principal, verified, refusal: undefined };
  } catch (error) {
    return {
      address,
      principal: undefined,
      verified: undefined,
      refusal: CertificateRefused.from(toAppError(error)),
    };
  }
}
