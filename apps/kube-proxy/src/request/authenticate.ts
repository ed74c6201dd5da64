import { failure } from '@postern/core';
import type { Principal } from '@postern/identity';
import type { Peer } from '../listen/peer.ts';
import { CertificateExpired } from '../streams/open-requests.ts';

export const CertificateRequired = failure(
  'unauthenticated',
  'kube.certificate_required',
  () => 'a client certificate is required; run tsh kube login',
);

/** Agents and services have no business in clusters. The text is what operators know from other products. */
export const NotAUser = failure('permission_denied', 'kube.not_a_user', () => '[00] access denied');

/** The principal of a connection, any type. */
export function authenticate(peer: Peer, now: Date): Principal {
  const { principal, refusal } = peer;
  if (!principal) throw refusal ?? CertificateRequired();
  if (principal.notAfter <= now) throw CertificateExpired();
  return principal;
}

/** The principal of a connection, which must be a person or a bot. */
export function authenticateUser(peer: Peer, now: Date): Principal {
  const principal = authenticate(peer, now);
  if (principal.type !== 'user' && principal.type !== 'bot') throw NotAUser();
  return principal;
}
