import { systemClock } from '@postern/core';
import {
  createAuthority,
  generateKeyPair,
  HeldIdentity,
  type IdentityMaterial,
  issueCertificate,
  type Principal,
  type PrincipalType,
} from '@postern/identity';

/** Two authorities and whatever they certify. */
export interface TestTrust {
  readonly hostCa: string;
  held(type: PrincipalType, id: string, roles: readonly string[]): Promise<HeldIdentity>;
}

export const clusterName = 'postern';

export async function makeTrust(): Promise<TestTrust> {
  const host = await createAuthority({ use: 'host', clusterName, clock: systemClock });
  const user = await createAuthority({ use: 'user', clusterName, clock: systemClock });
  const trust = { hostCa: host.certificate, userCa: user.certificate, clusterName };
  return {
    hostCa: host.certificate,
    async held(type, id, roles) {
      const { privateKey, publicKey } = await generateKeyPair();
      const certificate = await issueCertificate(host, {
        type,
        id,
        roles,
        publicKey,
        generation: 1,
        notAfter: new Date(Date.now() + 3_600_000),
        dnsNames: ['localhost'],
        ipAddresses: ['127.0.0.1'],
      });
      const material: IdentityMaterial = { key: privateKey, certificate, ...trust };
      return new HeldIdentity(material);
    },
  };
}

/** A person as an edge would assert it. */
export function person(id: string): Principal {
  return {
    type: 'user',
    id,
    clusterName,
    session: '00000000-0000-4000-8000-000000000000',
    roles: [],
    notAfter: new Date(Date.now() + 3_600_000),
    fingerprint: 'f'.repeat(64),
  };
}
