import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';

/** Answers instead of the right answer, whose text it is given. */
export type Misbehaviour = (response: ServerResponse, right: string) => void;

const json = { 'content-type': 'application/json' };

function body(change: (right: string) => string, type = 'application/json'): Misbehaviour {
  return (response, right) => void response.writeHead(200, { 'content-type': type }).end(change(right));
}

function status(code: number, error: string): Misbehaviour {
  return (response) => void response.writeHead(code, json).end(JSON.stringify({ Error: { Code: error } }));
}

function redirect(code: number): Misbehaviour {
  return (response) => void response.writeHead(code, { ...json, location: '/elsewhere' }).end('{}');
}

const xmlOf = (inner: string) => `<GetCallerIdentityResponse>${inner}</GetCallerIdentityResponse>`;

/** Ways in which something that is not STS, or is not well, could answer. */
export const misbehaviours = {
  'redirects by 302': redirect(302),
  'redirects by 307': redirect(307),
  'redirects by 308': redirect(308),
  'answers in XML': body(() => xmlOf('<GetCallerIdentityResult/>'), 'text/xml'),
  'answers XML within JSON': body((right) => JSON.stringify({ x: xmlOf(right) })),
  'answers XML that is called JSON': body(() => xmlOf('')),
  'begins with something else': body((right) => `garbage${right}`),
  'answers twice': body((right) => right + right),
  'has a name twice': body((right) => right.replace('"Arn":', '"Arn":"arn:aws:sts::1:x","Arn":')),
  'has a prototype': body((right) => right.replace('{', '{"__proto__":{"Account":"1"},')),
  'names no account': body((right) => right.replace(/"Account":"\d+"/, '"Account":""')),
  'names no ARN': body((right) => right.replace(/"Arn":"[^"]*"/, '"Arn":""')),
  'names a number': body((right) => right.replace(/"Account":"(\d+)"/, '"Account":$1')),
  'cuts its answer short': body((right) => right.slice(0, 40)),
  'says nothing': body(() => ''),
  'nests deeply': body(() => `${'['.repeat(30_000)}${']'.repeat(30_000)}`),
  'answers a billion laughs': body(
    () => `<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]>${xmlOf('&c;')}`,
    'text/xml',
  ),
  compresses: (response, right) =>
    void response.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(gzipSync(right)),
  'sends without end': (response) => {
    response.writeHead(200, json);
    const chunk = Buffer.alloc(64 * 1024, ' ');
    const send = () => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on('drain', send);
    send();
  },
  'sends a byte at a time': (response, right) => {
    response.writeHead(200, json);
    let at = 0;
    const timer = setInterval(() => void response.write(right[at++ % right.length]), 50);
    response.on('close', () => clearInterval(timer));
  },
  'does not answer': () => {},
  'closes the connection': (response) => void response.socket?.destroy(),
  'is unavailable': status(503, 'ServiceUnavailable'),
  'fails inside': status(500, 'InternalFailure'),
  throttles: status(400, 'Throttling'),
  'has had too many requests': status(429, 'TooManyRequestsException'),
} as const satisfies Record<string, Misbehaviour>;
