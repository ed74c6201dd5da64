import { systemClock } from '@postern/core';
import { type Authority, createAuthority, generateKeyPair, issueCertificate } from '@postern/identity';

/** PEM. */
export interface ServerCertificate {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** Another one of the same authority. */
  again(): Promise<{ readonly cert: string; readonly key: string }>;
}

/** A private authority and a certificate of it for servers of this machine, under a name and the address. */
export async function serverCertificate(name = 'localhost'): Promise<ServerCertificate> {
  const authority = await createAuthority({ use: 'host', clusterName: 'bus', clock: systemClock });
  const again = () => certify(authority, name);
  return { ...(await again()), ca: authority.certificate, again };
}

async function certify(authority: Authority, name: string): Promise<Pick<ServerCertificate, 'cert' | 'key'>> {
  const { privateKey: key, publicKey } = await generateKeyPair();
  const cert = await issueCertificate(authority, {
    type: 'svc',
    id: 'nats',
    publicKey,
    generation: 1,
    roles: [],
    notAfter: new Date(Date.now() + 3_600_000),
    dnsNames: [name],
    ipAddresses: ['127.0.0.1'],
  });
  return { cert, key };
}
