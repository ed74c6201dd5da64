import { readFileSync } from 'node:fs';
import { waitUntil } from '../../process/wait-until.ts';
import type { ServerFacts } from '../server-facts.ts';
import type { ApiServerCall } from './call-api-server.ts';
import { metricsGroup, metricsPath, metricsVersion } from './metrics-query.ts';

const READY_TIMEOUT_MS = 30_000;
const service = { namespace: 'kube-system', name: 'metrics-server' };

/** The name by which the API server knows the server. */
export const metricsHost = `${service.name}.${service.namespace}.svc`;

/** Registers a server on a port of this machine and waits until the API server passes requests on to it. */
export async function registerMetrics(
  call: ApiServerCall,
  { caFile }: ServerFacts,
  port: number,
): Promise<void> {
  // There is no network of services, so that the service is a name for this machine.
  await put(call, `/api/v1/namespaces/${service.namespace}/services`, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: service,
    spec: { type: 'ExternalName', externalName: '127.0.0.1' },
  });
  const name = `${metricsVersion}.${metricsGroup}`;
  await put(call, '/apis/apiregistration.k8s.io/v1/apiservices', {
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name },
    spec: {
      group: metricsGroup,
      version: metricsVersion,
      groupPriorityMinimum: 100,
      versionPriority: 100,
      caBundle: readFileSync(caFile).toString('base64'),
      service: { ...service, port },
    },
  });
  await waitUntil(async () => (await call(metricsPath)).status === 200, {
    what: 'the metrics server behind the API server',
    timeoutMs: READY_TIMEOUT_MS,
    everyMs: 100,
  });
}

/** Changes an object that an earlier run made, which says another port, or makes it. A server-side apply of an APIService ends 1.20. */
async function put(call: ApiServerCall, collection: string, object: PutObject): Promise<void> {
  const body = JSON.stringify(object);
  const merged = { method: 'PATCH', contentType: 'application/merge-patch+json', body } as const;
  let answer = await call(`${collection}/${object.metadata.name}`, merged);
  if (answer.status === 404) answer = await call(collection, { method: 'POST', body });
  if (answer.status < 300) return;
  throw new Error(`the API server answered ${answer.status} to ${collection}: ${answer.body.slice(0, 300)}`);
}

interface PutObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec: object;
}
