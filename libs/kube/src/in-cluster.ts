import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApiServerSettings } from './api-server.ts';

/** Where Kubernetes mounts the service account of a pod, unless `POSTERN_SERVICE_ACCOUNT_DIR` says otherwise. */
const serviceAccountDir = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The API server of the cluster this process runs in, by the pod's service account; undefined outside of a pod. */
export async function inClusterSettings(
  env: Readonly<Record<string, string | undefined>>,
): Promise<ApiServerSettings | undefined> {
  const dir = env['POSTERN_SERVICE_ACCOUNT_DIR'] || serviceAccountDir;
  const host = env['KUBERNETES_SERVICE_HOST'];
  const port = env['KUBERNETES_SERVICE_PORT'] ?? '443';
  const tokenFile = join(dir, 'token');
  const caFile = join(dir, 'ca.crt');
  const [ca, token] = await Promise.all([read(caFile), read(tokenFile)]);
  if (!host || !ca || !token) return undefined;
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    ca,
    caFile,
    token: token.trim(),
    tokenFile,
  };
}

function read(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}
