import { systemClock } from '@postern/core';
import { createAuthority, generateKeyPair, issueCertificate } from '@postern/identity';

/** A private authority and a certificate of it for servers of this machine, under a name and the address. */
export async function serverCertificate(name = 'localhost'): Promise<{
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}> {
  const authority = await createAuthority({ use: 'host', clusterName: 'bus', clock: systemClock });
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
  return { ca: authority.certificate, cert, key };
}
