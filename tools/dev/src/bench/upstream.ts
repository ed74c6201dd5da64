import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createSecureServer } from 'node:http2';

/** A stand-in for an API server that costs as little as possible: fixed answers over TLS with a client certificate. */
const [portText, certFile, keyFile, caFile] = process.argv.slice(2) as [string, string, string, string];

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web-1', namespace: 'default', annotations: { padding: 'x'.repeat(1800) } },
};
const small = Buffer.from(JSON.stringify(pod));
const items = Array.from({ length: 500 }, (_, index) => ({
  metadata: { name: `web-${index}`, namespace: 'default', annotations: { padding: 'x'.repeat(1980) } },
}));
const large = Buffer.from(
  JSON.stringify({ apiVersion: 'v1', kind: 'PodList', metadata: { resourceVersion: '1' }, items }),
);
const event = Buffer.from(`${JSON.stringify({ type: 'ADDED', object: pod })}\n`);
const version = Buffer.from('{"major":"1","minor":"30","gitVersion":"v1.30.0"}');
const review = Buffer.from(
  '{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","status":{"allowed":true}}',
);

createSecureServer(
  {
    cert: readFileSync(certFile),
    key: readFileSync(keyFile),
    ca: readFileSync(caFile),
    requestCert: true,
    rejectUnauthorized: true,
    allowHTTP1: true,
  },
  (request, either) => {
    // HTTP/2 answers have the same calls.
    const response = either as unknown as ServerResponse;
    const target = request.url ?? '';
    if (target.includes('watch=')) watched(response);
    else if (target.startsWith('/version')) answer(response, version);
    else if (request.method === 'POST') {
      request.resume();
      answer(response, review, 201);
    } else answer(response, target.startsWith('/api/v1/namespaces/default/pods/') ? small : large);
  },
).listen(Number(portText), '127.0.0.1', () => console.log('ready'));

function answer(response: ServerResponse, body: Buffer, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
}

/** One event, and nothing more for as long as anybody watches. */
function watched(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.write(event);
}
