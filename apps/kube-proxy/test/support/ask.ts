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
  /** Whether the answer came to its end. */
  readonly isWhole: boolean;
}

/** One GET, or a POST of an object, over a connection of its own; whatever comes is the answer. */
export function ask(
  { base, ca, cert, key }: Asker,
  path: string,
  { accept, object }: { readonly accept?: string; readonly object?: unknown } = {},
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
    response.on('data', (part: Buffer) => parts.push(part));
    response.on('error', () => undefined);
    response.once('close', () =>
      resolve({
        status: response.statusCode ?? 0,
        type: response.headers['content-type'] ?? '',
        body: Buffer.concat(parts),
        isWhole: response.complete,
      }),
    );
  });
  sent.once('error', reject);
  sent.end(object === undefined ? undefined : JSON.stringify(object));
  return promise;
}
