import { kubeServer, type KubeEndpoint } from '@postern/client';
import { failure, isPlainObject } from '@postern/core';
import { type KubeCredential, marginMs } from './cache.ts';

const UnsupportedExecInfo = failure(
  'invalid_argument',
  'tsh.unsupported_exec_info',
  (version: string) =>
    `KUBERNETES_EXEC_INFO asks for ${version}; client.authentication.k8s.io/v1 and v1beta1 are supported`,
);

const OtherServer = failure(
  'permission_denied',
  'tsh.other_server',
  (asked: string, expected: string) =>
    `kubectl asks for a credential for ${asked}, but this one is for ${expected}: run tsh kube login again`,
);

const group = 'client.authentication.k8s.io/';
const versions = [`${group}v1beta1`, `${group}v1`];

/**
 * The version in which to answer, from `KUBERNETES_EXEC_INFO`. When it tells the server that kubectl is about to call,
 * it must be the one that this credential is for.
 */
export function execVersion(info: string | undefined, endpoint: KubeEndpoint): string {
  const asked = infoOf(info);
  const version = asked['apiVersion'] ?? versions[0];
  if (typeof version !== 'string' || !versions.includes(version))
    throw UnsupportedExecInfo(JSON.stringify(version));
  const spec = isPlainObject(asked['spec']) ? asked['spec'] : {};
  const server = isPlainObject(spec['cluster']) ? spec['cluster']['server'] : undefined;
  const expected = kubeServer(endpoint);
  if (server !== undefined && server !== expected) throw OtherServer(JSON.stringify(server), expected);
  return version;
}

/** The ExecCredential that kubectl reads. It asks again a minute before the certificate ends. */
export function execCredential(version: string, { certificate, key, notAfter }: KubeCredential): string {
  const expirationTimestamp = new Date(Date.parse(notAfter) - marginMs).toISOString().replace(/\.\d+Z$/, 'Z');
  const status = { clientCertificateData: certificate, clientKeyData: key, expirationTimestamp };
  return `${JSON.stringify({ kind: 'ExecCredential', apiVersion: version, spec: {}, status })}\n`;
}

function infoOf(text: string | undefined): Record<string, unknown> {
  if (!text) return {};
  try {
    const value: unknown = JSON.parse(text);
    return isPlainObject(value) ? value : {};
  } catch (error) {
    throw UnsupportedExecInfo.from(error, 'something that is not JSON');
  }
}
