import { request as httpsRequest } from 'node:https';
import { connect, type TLSSocket } from 'node:tls';
import type { IdentityMaterial } from '@postern/identity';

/** One HTTP reply, whole. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  json(): Record<string, unknown>;
}

interface Sending {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Buffer;
  readonly as?: IdentityMaterial | undefined;
  readonly ca: string;
}

/** Sends one request on a connection of its own. */
export function send(
  port: number,
  { method = 'GET', path, headers = {}, body, as, ca }: Sending,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
      method,
      path,
      headers,
      ca,
      agent: false,
      ...(as ? { key: as.key, cert: as.certificate } : {}),
    };
    const request = httpsRequest(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const json = () => JSON.parse(text) as Record<string, unknown>;
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
      });
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** A raw TLS connection, and everything that came over it until it was closed. */
export async function rawConnection(
  port: number,
  ca: string,
): Promise<{ socket: TLSSocket; closed: Promise<string> }> {
  const socket = connect({ host: '127.0.0.1', port, ca, servername: 'localhost' });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => undefined);
  const closed = new Promise<string>((resolve) => {
    socket.on('close', () => resolve(Buffer.concat(chunks).toString()));
  });
  await new Promise((resolve) => {
    socket.once('secureConnect', resolve);
  });
  return { socket, closed };
}
