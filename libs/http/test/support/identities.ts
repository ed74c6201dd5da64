import { systemClock } from '@postern/core';
import {
  type Authority,
  createAuthority,
  generateKeyPair,
  HeldIdentity,
  type IdentityMaterial,
  issueCertificate,
  type PrincipalType,
} from '@postern/identity';

/** Two authorities and whatever they certify. */
export interface TestTrust {
  issue(
    type: PrincipalType,
    id: string,
    roles?: readonly string[],
    ttlMs?: number,
  ): Promise<IdentityMaterial>;
  held(type: PrincipalType, id: string, roles?: readonly string[]): Promise<HeldIdentity>;
}

/** A trust domain of its own. */
export async function makeTrust(clusterName = 'postern'): Promise<TestTrust> {
  const host = await createAuthority({ use: 'host', clusterName, clock: systemClock });
  const user = await createAuthority({ use: 'user', clusterName, clock: systemClock });
  const issue = async (type: PrincipalType, id: string, roles: readonly string[] = [], ttlMs = 3_600_000) => {
    const isHost = type === 'agent' || type === 'svc';
    const { privateKey, publicKey } = await generateKeyPair();
    const certificate = await issueCertificate(isHost ? host : user, {
      type,
      id,
      publicKey,
      notAfter: new Date(Date.now() + ttlMs),
      ...(isHost
        ? { roles, generation: 1, dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] }
        : { session: crypto.randomUUID() }),
    });
    return { key: privateKey, certificate, ...bundle(host, user), clusterName };
  };
  return { issue, held: async (type, id, roles) => new HeldIdentity(await issue(type, id, roles)) };
}

function bundle(host: Authority, user: Authority) {
  return { hostCa: host.certificate, userCa: user.certificate };
}
