import type { Misbehaviour } from './misbehaviour.ts';
import { misbehaviours } from './misbehaviour.ts';

const json = { 'content-type': 'application/json' };

function refuses(status: number, code: string): Misbehaviour {
  return (response) =>
    void response
      .writeHead(status, { ...json, 'x-amzn-errortype': code })
      .end(JSON.stringify({ message: `${code} was the matter` }));
}

function changes(change: (right: string) => string): Misbehaviour {
  return (response, right) => void response.writeHead(200, json).end(change(right));
}

/** Ways in which EKS, or something on the way to it, could answer. */
export const eksMisbehaviours = {
  throttles: refuses(429, 'ThrottlingException'),
  'has had too many requests': refuses(400, 'TooManyRequestsException'),
  'fails inside': refuses(500, 'ServerException'),
  'is unavailable': refuses(503, 'ServiceUnavailableException'),
  'says that credentials have expired': refuses(403, 'ExpiredTokenException'),
  'says that the region is another': refuses(403, 'InvalidSignatureException'),
  'denies without a reason': refuses(403, 'AccessDeniedException'),
  'does not answer': misbehaviours['does not answer'],
  'closes the connection': misbehaviours['closes the connection'],
  'sends without end': misbehaviours['sends without end'],
  'sends a byte at a time': misbehaviours['sends a byte at a time'],
  'redirects by 307': misbehaviours['redirects by 307'],
  'cuts its answer short': changes((right) => right.slice(0, right.length / 2)),
  /** As long as it says, and ended before. */
  'breaks off': (response, right) => {
    response.writeHead(200, { ...json, 'content-length': String(right.length) });
    response.write(right.slice(0, right.length / 2), () => response.socket?.destroy());
  },
  'answers in HTML': (response) =>
    void response.writeHead(200, { 'content-type': 'text/html' }).end('<html></html>'),
  'says nothing': changes(() => ''),
  'answers null': changes(() => 'null'),
  'answers something else': changes(() => '{"other":1}'),
  'has numbers for names': changes(() => '{"clusters":[1,2],"nextToken":null,"cluster":7}'),
  'has a prototype': changes((right) => right.replace('{', '{"__proto__":{"clusters":[]},')),
  'gives the same token again and again': changes(() => '{"clusters":["again"],"nextToken":"again"}'),
  'tells of another region': changes((right) => right.replace(/:eks:[a-z0-9-]+:/g, ':eks:ap-south-2:')),
  'tells of another account': changes((right) => right.replace(/:\d{12}:cluster/g, ':999999999999:cluster')),
} as const satisfies Record<string, Misbehaviour>;
