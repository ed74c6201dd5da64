import type { CliContext } from '@postern/cli';
import { failure } from '@postern/core';
import type { KubeCredential } from './cache.ts';

const OtherTeleportCluster = failure(
  'failed_precondition',
  'tsh.other_teleport_cluster',
  (expected: string, actual: string) =>
    `the identity belongs to cluster ${actual}, not ${expected}: run tsh kube login again`,
);

const ttlSeconds = 3600;

/** A new key and a certificate for it, good for an hour at most. */
export async function fetchCredential(context: CliContext, teleportCluster: string): Promise<KubeCredential> {
  const { generateKeyPair, makeCsr } = await import('@postern/identity');
  const { privateKey } = await generateKeyPair();
  const api = await context.api();
  const signed = await api.certificate({ csr: await makeCsr(privateKey), ttlSeconds });
  if (signed.clusterName !== teleportCluster) throw OtherTeleportCluster(teleportCluster, signed.clusterName);
  return { certificate: signed.certificate, key: privateKey, notAfter: signed.notAfter, proxy: api.proxy };
}
