import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { startKubeApiServer } from '@postern/lab';

/** What the API server asks its authorizer about a request: its own reading of method and target. */
export interface ReadRequest {
  readonly verb: string;
  readonly group?: string;
  readonly version?: string;
  readonly namespace?: string;
  readonly resource?: string;
  readonly subresource?: string;
  readonly name?: string;
  readonly path?: string;
}

/** A real API server that tells how it reads requests, through an authorization webhook that refuses them all. */
export interface RequestOracle extends AsyncDisposable {
  /** Undefined when it refuses the request before it asks. */
  read(method: string, target: string): Promise<ReadRequest | undefined>;
}

interface Review {
  readonly spec: {
    readonly user: string;
    readonly resourceAttributes?: ReadRequest;
    readonly nonResourceAttributes?: ReadRequest;
  };
}

export async function startRequestOracle(dir: string): Promise<RequestOracle> {
  const asked = new Map<string, ReadRequest>();
  const webhook = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const review = JSON.parse(Buffer.concat(chunks).toString()) as Review;
      const { user, resourceAttributes, nonResourceAttributes } = review.spec;
      asked.set(user, (resourceAttributes ?? nonResourceAttributes)!);
      res.setHeader('content-type', 'application/json');
      res.end(JSON.stringify({ ...review, status: { allowed: false, denied: true } }));
    });
  });
  await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', resolve));
  const config = join(dir, 'webhook.json');
  writeFileSync(config, webhookConfig((webhook.address() as AddressInfo).port));
  const server = await startKubeApiServer({
    dir: join(dir, 'oracle'),
    durable: false,
    apiServerArgs: [
      '--authorization-mode=Webhook',
      '--authorization-webhook-version=v1',
      `--authorization-webhook-config-file=${config}`,
    ],
  });
  const tls = {
    ca: readFileSync(server.caFile),
    cert: readFileSync(server.admin.cert),
    key: readFileSync(server.admin.key),
  };
  const agent = new Agent({ ...tls, keepAlive: true, maxSockets: 8 });
  let count = 0;
  const send = (method: string, path: string, user: string | undefined) =>
    new Promise<number>((resolve, reject) => {
      // No group of the user is bound to anything, so that every request reaches the webhook.
      const headers = user ? { 'impersonate-user': user, 'impersonate-group': 'system:unauthenticated' } : {};
      const options = { agent, host: '127.0.0.1', port: server.port, method, path, headers };
      httpsRequest(options, (res) => res.resume().once('end', () => resolve(res.statusCode!)))
        .once('error', reject)
        .end();
    });
  // It lets everybody read the version and health, and such requests would not reach the webhook.
  const publicInfo = '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/system:public-info-viewer';
  await send('DELETE', publicInfo, undefined);
  return {
    read: async (method, target) => {
      const user = `row-${(count += 1)}`;
      await send(method, target, user);
      return asked.get(user);
    },
    [Symbol.asyncDispose]: async () => {
      agent.destroy();
      await server.stop();
      webhook.closeAllConnections();
      webhook.close();
    },
  };
}

function webhookConfig(port: number): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'x',
    clusters: [{ name: 'x', cluster: { server: `http://127.0.0.1:${port}` } }],
    users: [{ name: 'x', user: {} }],
    contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }],
  });
}
