import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { Destination, Outbound, Patience } from '@postern/agent';
import { failure } from '@postern/core';
import { clientTls, type HeldIdentity, principalOf } from '@postern/identity';
import { tunnelProtocol } from '@postern/tunnel';
import type { Peer } from '../../listen/peer.ts';

/** Whoever answers at the public address takes no tunnels. */
export const NotAnEdge = failure(
  'unavailable',
  'kube.not_an_edge',
  (address: string) => `${address} takes no tunnels: is it the public address of Postern?`,
);

/** A connection that an edge took for a tunnel, and which edge that is. */
export interface DialledEdge {
  readonly socket: TLSSocket;
  readonly edgeId: string;
  readonly peer: Peer;
}

/**
 * Dials the public address and finds out who answers. Only an edge may, by a certificate of the host CA with the role Proxy:
 * through the tunnel come requests with grants, and whoever hands those in must be one of ours.
 */
export async function dialEdge(
  address: Destination,
  { held, outbound, at }: { readonly held: HeldIdentity; readonly outbound: Outbound; readonly at: Date },
  patience: Patience,
): Promise<DialledEdge> {
  const tls = clientTls(held, { expect: { type: 'svc', role: 'Proxy' } });
  const socket = await outbound.connect(address, { ...tls, ALPNProtocols: [tunnelProtocol] }, patience);
  const certificate: X509Certificate | undefined = socket.getPeerX509Certificate();
  if (socket.alpnProtocol !== tunnelProtocol || !certificate) {
    socket.destroy();
    throw NotAnEdge(`${address.host}:${address.port}`);
  }
  const principal = principalOf(certificate, held.trust(), { at, purpose: 'server' });
  socket.setNoDelay(true);
  const peer = {
    address: address.host,
    principal,
    verified: { certificate, principal },
    refusal: undefined,
  };
  return { socket, edgeId: principal.id, peer };
}
