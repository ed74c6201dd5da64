import { randomUUID } from 'node:crypto';
import { systemClock as clock } from '@postern/core';
import { createAuthority, generateKeyPair, HeldIdentity, issueCertificate } from '@postern/identity';

const clusterName = 'bench';

/** The identity of a service that is certified by nobody but itself. */
export async function selfMadeIdentity(): Promise<HeldIdentity> {
  const host = await createAuthority({ use: 'host', clusterName, clock });
  const user = await createAuthority({ use: 'user', clusterName, clock });
  const { privateKey, publicKey } = await generateKeyPair();
  const certificate = await issueCertificate(host, {
    type: 'svc',
    id: randomUUID(),
    roles: ['Auth'],
    publicKey,
    generation: 1,
    notAfter: new Date(clock().getTime() + 3_600_000),
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
  });
  return new HeldIdentity({
    key: privateKey,
    certificate,
    clusterName,
    hostCa: host.certificate,
    userCa: user.certificate,
  });
}
