import { X509Certificate } from 'node:crypto';
import { type Clock, failure } from '@postern/core';
import { type LocatedIdentity, ProxyUnknown } from './locate-identity.ts';
import { proxyAddress } from './proxy-address.ts';

/** The identity's certificate is over. */
export const IdentityExpired = failure(
  'unauthenticated',
  'client.identity_expired',
  (path: string, since: string) =>
    `the identity in ${path} expired on ${since}: sign in again, or have a new one signed`,
);

/** An identity, read and ready to use. */
export interface OpenIdentity {
  readonly located: LocatedIdentity;
  /** `host:port` */
  readonly proxy: string;
  /** PEM, PKCS#8. */
  readonly key: string;
  /** PEM. */
  readonly certificate: string;
  /** What the proxy's certificate must chain to, PEM. */
  readonly caPem: string;
  readonly clusterName: string | undefined;
  readonly notAfter: Date;
}

/** Reads the identity file. An expired one is refused here, where the message can still say why. */
export async function openIdentity(located: LocatedIdentity, clock: Clock): Promise<OpenIdentity> {
  const { readIdentityFile } = await import('@postern/identity');
  const file = await readIdentityFile(located.path);
  const { validToDate } = new X509Certificate(file.certificate);
  if (validToDate <= clock()) throw IdentityExpired(located.path, validToDate.toISOString());
  const proxy = located.proxy ?? (file.proxy === undefined ? undefined : proxyAddress(file.proxy));
  if (proxy === undefined) throw ProxyUnknown(located.path);
  return {
    located,
    proxy,
    key: file.key,
    certificate: file.certificate,
    caPem: file.hostCa,
    clusterName: file.clusterName,
    notAfter: validToDate,
  };
}
