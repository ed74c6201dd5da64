import { systemClock } from '@postern/core';
import {
  type Authority,
  createAuthority,
  generateKeyPair,
  HeldIdentity,
  issueCertificate,
} from '@postern/identity';

export const clusterName = 'postern.test';

/** A person's or bot's certificate with its key. */
export interface ClientCertificate {
  readonly key: string;
  readonly cert: string;
}

/** Both authorities, and whatever they certify. */
export interface Pki {
  readonly host: Authority;
  readonly user: Authority;
  held(id: string, roles: readonly string[], ttlMs?: number, joinToken?: string): Promise<HeldIdentity>;
  person(name: string, options?: { ttlMs?: number; type?: 'user' | 'bot' }): Promise<ClientCertificate>;
}

export async function createPki(): Promise<Pki> {
  const host = await createAuthority({ use: 'host', clusterName, clock: systemClock });
  const user = await createAuthority({ use: 'user', clusterName, clock: systemClock });
  return {
    host,
    user,
    held: async (id, roles, ttlMs = 3_600_000, joinToken?: string) => {
      const { privateKey, publicKey } = await generateKeyPair();
      const type = roles.includes('Proxy') || roles.includes('Auth') ? 'svc' : 'agent';
      const certificate = await issueCertificate(host, {
        type,
        id,
        publicKey,
        notAfter: inMs(ttlMs),
        generation: 1,
        roles,
        joinToken,
        dnsNames: [id, `${id}.${clusterName}`, 'localhost'],
        ipAddresses: ['127.0.0.1'],
      });
      const material = {
        key: privateKey,
        certificate,
        hostCa: host.certificate,
        userCa: user.certificate,
        clusterName,
      };
      return new HeldIdentity(material);
    },
    person: async (name, { ttlMs = 3_600_000, type = 'user' } = {}) => {
      const { privateKey, publicKey } = await generateKeyPair();
      const session = crypto.randomUUID();
      const cert = await issueCertificate(user, {
        type,
        id: name,
        publicKey,
        notAfter: inMs(ttlMs),
        session,
      });
      return { key: privateKey, cert };
    },
  };
}

function inMs(ms: number): Date {
  return new Date(Date.now() + ms);
}
