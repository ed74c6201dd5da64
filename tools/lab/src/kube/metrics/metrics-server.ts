import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { messageOf } from '@postern/core';
import type { KubeApiServer } from '../server-facts.ts';
import { type ApiServerCall, callApiServer } from './call-api-server.ts';
import { type Caller, callerOf } from './caller.ts';
import { discoveryDocuments } from './discovery.ts';
import { readMetricsQuery } from './metrics-query.ts';
import { readMetrics } from './read-metrics.ts';
import { metricsHost, registerMetrics } from './register.ts';
import { type Answer, ok, refusal } from './status.ts';
import { NodeUsages } from './usage.ts';

/** A request that came from the API server, and in whose name. */
export interface SeenRequest extends Caller {
  readonly method: string;
  readonly path: string;
}

/** A running metrics server behind an API server. */
export interface MetricsServer extends AsyncDisposable {
  /** Where it listens; the API server is the only one it answers. */
  readonly url: string;
  /** What it was asked in somebody's name, oldest first. */
  readonly seen: readonly SeenRequest[];
  readonly stop: () => Promise<void>;
}

/**
 * Starts a server of `metrics.k8s.io/v1beta1` with the figures of the kubelets, behind the API server's aggregation layer:
 * with it `kubectl top` works. It answers nobody but the API server, which has decided already who may see what.
 */
export async function startMetricsServer(server: KubeApiServer): Promise<MetricsServer> {
  const serving = await server.pki.issue('metrics-server', { commonName: metricsHost, hosts: [metricsHost] });
  const call = callApiServer(server);
  const usages = new NodeUsages(call);
  const seen: SeenRequest[] = [];
  const respond = async (request: IncomingMessage, response: ServerResponse) => {
    const { status, body } = await answerTo(request, { call, usages, seen });
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  const tls = {
    cert: readFileSync(serving.cert),
    key: readFileSync(serving.key),
    ca: readFileSync(server.pki.frontProxy.ca.cert),
    requestCert: true,
    // Who shows no certificate is told so in an answer.
    rejectUnauthorized: false,
  };
  const http = createServer(tls, (request, response) => void respond(request, response));
  const port = await listen(http);
  const stop = async () => {
    if (!http.listening) return;
    http.close();
    http.closeAllConnections();
    await once(http, 'close');
  };
  try {
    await registerMetrics(call, server, port);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `https://127.0.0.1:${port}`, seen, stop, [Symbol.asyncDispose]: stop };
}

async function listen(http: Server): Promise<number> {
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return (http.address() as AddressInfo).port;
}

interface Served {
  readonly call: ApiServerCall;
  readonly usages: NodeUsages;
  readonly seen: SeenRequest[];
}

async function answerTo(request: IncomingMessage, { call, usages, seen }: Served): Promise<Answer> {
  const { method = '', url: target = '/' } = request;
  const caller = callerOf(request);
  if (!caller) return refusal(401, 'Unauthorized', 'Unauthorized');
  seen.push({ ...caller, method, path: target });
  const url = new URL(target, 'https://metrics');
  const document = discoveryDocuments.get(url.pathname);
  if (method === 'GET' && document) return ok(document);
  const query = readMetricsQuery(url);
  if (!query) return refusal(404, 'NotFound', 'the server could not find the requested resource');
  const isWatch = ['1', 'true'].includes(url.searchParams.get('watch') ?? '');
  if (method !== 'GET' || isWatch)
    return refusal(
      405,
      'MethodNotAllowed',
      'the server does not allow this method on the requested resource',
    );
  try {
    return await readMetrics(call, usages, query);
  } catch (error) {
    return refusal(503, 'ServiceUnavailable', messageOf(error));
  }
}
