import { writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { type Api, kubeServer } from '@postern/client';
import { generateKeyPair, makeCsr } from '@postern/identity';
import { type CommandOptions, type Finished, runCommand } from '@postern/testkit';

/** A person with a certificate, who runs kubectl and sends requests that kubectl would not. */
export interface SignedInUser {
  readonly name: string;
  /** The file that `kubectl --kubeconfig` takes; its contexts are named after the clusters. */
  readonly kubeconfig: string;
  /** The same through another edge: its file, for whoever runs kubectl. */
  through(proxy: string): Promise<string>;
  /** PEM. */
  readonly certificate: string;
  kubectl(cluster: string, args: readonly string[], options?: CommandOptions): Promise<Finished>;
  /** One request over HTTP/1.1, with headers as they are written. */
  send(cluster: string, raw: RawRequest, proxy?: string): Promise<RawAnswer>;
}

/** A request; `headers` are names and values in turn, so that a name can be there twice. */
export interface RawRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly string[];
  readonly body?: string;
}

/** Its answer. */
export interface RawAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** Where and as whom people sign in. */
export interface SignIn {
  readonly api: Api;
  readonly caPem: string;
  readonly folder: string;
  readonly clusters: readonly string[];
  /** How long the certificate is good; an hour where absent. */
  readonly ttlSeconds?: number;
}

/** Signs a user in with a certificate, in a kubeconfig that needs no helper program. */
export async function signIn(
  { api, caPem, folder, clusters, ttlSeconds = 3600 }: SignIn,
  name: string,
): Promise<SignedInUser> {
  const { privateKey } = await generateKeyPair();
  const csr = await makeCsr(privateKey);
  const { certificate, clusterName } = await api.sign({ user: name, csr, ttlSeconds });
  const kubeconfig = join(folder, `${name}.kubeconfig`);
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const server = (kubeCluster: string, proxy = api.proxy) =>
    kubeServer({ proxy, teleportCluster: clusterName, kubeCluster });
  const document = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: clusters.map((cluster) => ({
      name: cluster,
      cluster: { server: server(cluster), 'certificate-authority-data': base64(caPem) },
    })),
    users: [
      {
        name,
        user: { 'client-certificate-data': base64(certificate), 'client-key-data': base64(privateKey) },
      },
    ],
    contexts: clusters.map((cluster) => ({ name: cluster, context: { cluster, user: name } })),
  };
  await writeFile(kubeconfig, JSON.stringify(document), { mode: 0o600 });
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder };
  return {
    name,
    kubeconfig,
    certificate,
    through: async (proxy) => {
      const file = join(folder, `${name}-through-${proxy.replaceAll(/\W/g, '-')}.kubeconfig`);
      await writeFile(file, JSON.stringify(document).replaceAll(api.proxy, proxy), { mode: 0o600 });
      return file;
    },
    kubectl: (cluster, args, options) =>
      runCommand('kubectl', ['--kubeconfig', kubeconfig, '--context', cluster, ...args], { env, ...options }),
    send: (cluster, raw, proxy) =>
      send({
        url: server(cluster, proxy) + raw.path,
        tls: { ca: caPem, cert: certificate, key: privateKey },
        raw,
      }),
  };
}

interface Sent {
  readonly url: string;
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly raw: RawRequest;
}

function send({ url, tls, raw }: Sent): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const headers = ['host', new URL(url).host, ...raw.headers];
    if (raw.body !== undefined) headers.push('content-length', String(Buffer.byteLength(raw.body)));
    const call = request(url, { ...tls, method: raw.method, headers, agent: false, timeout: 20_000 });
    call.on('timeout', () => call.destroy(new Error(`no answer in time: ${raw.method} ${raw.path}`)));
    call.on('error', reject);
    call.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          contentType: response.headers['content-type'] ?? '',
          body,
        }),
      );
    });
    call.end(raw.body);
  });
}
