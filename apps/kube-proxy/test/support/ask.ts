import { request } from 'node:https';

/** A server, and who asks it. */
export interface Asker {
  /** `https://host:port/prefix`. */
  readonly base: string;
  readonly ca: string | Buffer;
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

export interface Asked {
  readonly status: number;
  readonly type: string;
  readonly body: Buffer;
  /** Length of the body, also where it was not kept. */
  readonly bytes: number;
  /** Whether the answer came to its end. */
  readonly isWhole: boolean;
}

interface Question {
  readonly accept?: string;
  readonly object?: unknown;
  readonly isKept?: boolean;
}

/** One GET, or a POST of an object, over a connection of its own; whatever comes is the answer. */
export function ask(
  { base, ca, cert, key }: Asker,
  path: string,
  { accept, object, isKept = true }: Question = {},
): Promise<Asked> {
  const { promise, resolve, reject } = Promise.withResolvers<Asked>();
  const headers = {
    ...(accept === undefined ? {} : { accept }),
    ...(object === undefined ? {} : { 'content-type': 'application/json' }),
  };
  const method = object === undefined ? 'GET' : 'POST';
  const options = { method, headers, ca, cert, key, agent: false, checkServerIdentity: () => undefined };
  const sent = request(base + path, options, (response) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    response.on('data', (part: Buffer) => {
      bytes += part.length;
      if (isKept) parts.push(part);
    });
    response.on('error', () => undefined);
    response.once('close', () =>
      resolve({
        status: response.statusCode ?? 0,
        type: response.headers['content-type'] ?? '',
        body: Buffer.concat(parts),
        bytes,
        isWhole: response.complete,
      }),
    );
  });
  sent.once('error', reject);
  sent.end(object === undefined ? undefined : JSON.stringify(object));
  return promise;
}
