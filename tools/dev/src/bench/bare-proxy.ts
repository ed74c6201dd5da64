import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createSecureServer } from 'node:http2';
import { Pool } from 'undici';

/** What a bare proxy is started with, as its only argument. */
export interface BareProxyPlan {
  readonly port: number;
  readonly origin: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCertFile: string;
  readonly clientKeyFile: string;
  readonly caFile: string;
}

const plan = JSON.parse(process.argv[2]!) as BareProxyPlan;
const ca = readFileSync(plan.caFile);

const upstream = new Pool(plan.origin, {
  connections: 16,
  connect: { ca, cert: readFileSync(plan.clientCertFile), key: readFileSync(plan.clientKeyFile) },
});

/**
 * The least that a reverse proxy on Node does: TLS with client certificates on both sides, HTTP/1.1 and HTTP/2 in front, undici
 * behind. It asks nobody whether a request is allowed, and tells nobody that there was one.
 */
createSecureServer(
  {
    cert: readFileSync(plan.certFile),
    key: readFileSync(plan.keyFile),
    ca,
    requestCert: true,
    rejectUnauthorized: true,
    allowHTTP1: true,
  },
  ({ url }, either) => {
    // HTTP/2 answers have the same calls.
    const response = either as unknown as ServerResponse;
    pass(url, response).catch((error: unknown) => response.destroy(error as Error));
  },
).listen(plan.port, '127.0.0.1', () => console.log('ready'));

async function pass(path: string, response: ServerResponse): Promise<void> {
  await upstream.stream({ path, method: 'GET' }, ({ statusCode, headers }) => {
    const { 'content-type': type = '', 'content-length': length = '0' } = headers;
    return response.writeHead(statusCode, { 'content-type': String(type), 'content-length': String(length) });
  });
}
