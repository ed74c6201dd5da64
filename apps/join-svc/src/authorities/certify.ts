import { isIP } from 'node:net';
import type { Clock } from '@postern/core';
import { issueCertificate, typeForRoles } from '@postern/identity';
import type { Authorities } from './authorities.ts';

/** What issuing certificates needs. */
export interface Certifier {
  /** Those of this moment: read them anew for each certificate. */
  readonly authorities: Authorities;
  readonly clock: Clock;
  /** host or host:port under which the control plane is reached; its certificates are good for these. */
  readonly publicAddrs: readonly string[];
}

/** Whom to certify as a joined process. */
export interface HostSpec {
  readonly id: string;
  readonly roles: readonly string[];
  readonly generation: number;
  /** SHA-256 of the name of the token that let it in, hex. */
  readonly joinToken?: string | undefined;
  readonly publicKey: string;
  readonly notAfter: Date;
}

/**
 * The certificate of an agent or service. Its names are its id and the loopback, where nobody else can listen for it; the
 * public addresses are added for the control plane's own processes. Nothing is taken from the request but the key.
 */
export function certifyHost({ authorities, publicAddrs }: Certifier, spec: HostSpec): Promise<string> {
  const type = typeForRoles(spec.roles);
  const hosts = type === 'svc' ? publicAddrs.map(hostOf) : [];
  const names = [
    spec.id,
    `${spec.id}.${authorities.clusterName}`,
    'localhost',
    ...hosts.filter((host) => !isIP(host)),
  ];
  const addresses = ['127.0.0.1', '::1', ...hosts.filter((host) => isIP(host))];
  return issueCertificate(authorities.issuers[type], {
    ...spec,
    type,
    dnsNames: [...new Set(names)],
    ipAddresses: [...new Set(addresses)],
  });
}

/** Whom to certify as a person. */
export interface UserCertificateSpec {
  readonly user: string;
  readonly session: string;
  readonly publicKey: string;
  readonly notAfter: Date;
}

/** The certificate of a person's session. */
export function certifyUser(
  { authorities }: Certifier,
  { user, ...spec }: UserCertificateSpec,
): Promise<string> {
  return issueCertificate(authorities.issuers.user, { ...spec, type: 'user', id: user });
}

/** A time some milliseconds from now, cut to whole seconds as certificates are. */
export function after(clock: Clock, ms: number): Date {
  return new Date(Math.floor((clock().getTime() + ms) / 1000) * 1000);
}

function hostOf(address: string): string {
  const match = /^\[([^\]]+)\](?::\d+)?$/.exec(address) ?? /^([^:]+)(?::\d+)?$/.exec(address);
  return match?.[1] ?? address;
}
