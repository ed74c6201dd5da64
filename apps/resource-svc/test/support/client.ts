import { request as httpsRequest } from 'node:https';
import { uuidv7 } from '@postern/core';
import { assertionHeader, type HeldIdentity, type Principal, signAssertion } from '@postern/identity';

/** One reply, whole. */
export interface Reply {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** A request to the service under test. */
export interface Request {
  readonly method?: string;
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends requests over mutual TLS. */
export type Client = (request: Request) => Promise<Reply>;

/** Who holds the connection, and for whom it speaks, if it is an edge. */
export interface Sender {
  readonly held: HeldIdentity;
  readonly principal?: Principal;
}

export function clientOf(port: () => number, { held, principal }: Sender): Client {
  return async ({ method = 'GET', path, body, headers = {} }) => {
    const { key, certificate: cert, hostCa: ca, principal: own } = held.current();
    const at = new Date();
    const assertion = { principal, requestId: uuidv7(), sourceIp: '192.0.2.1' };
    const asserted = principal
      ? {
          [assertionHeader]: await signAssertion({ key, principal: own }, assertion, {
            audience: 'resource-svc',
            at,
          }),
        }
      : {};
    const text = body === undefined ? undefined : JSON.stringify(body);
    const type = text === undefined ? {} : { 'content-type': 'application/json' };
    return new Promise((resolve, reject) => {
      const request = httpsRequest(
        {
          host: '127.0.0.1',
          port: port(),
          method,
          path,
          ca,
          key,
          cert,
          agent: false,
          headers: { ...headers, ...asserted, ...type },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => {
            const reply = Buffer.concat(chunks).toString();
            resolve({
              status: response.statusCode ?? 0,
              body: reply ? (JSON.parse(reply) as Reply['body']) : {},
            });
          });
          response.on('error', reject);
        },
      );
      request.on('error', reject);
      request.end(text);
    });
  };
}
