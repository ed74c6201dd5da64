import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type TLSSocket } from 'node:tls';

/** Bytes of one request as they reached the server. */
export interface Seen {
  readonly head: string;
  readonly requestLine: string;
  /** Lower-case name and value, in order. */
  readonly headers: readonly (readonly [string, string])[];
  body: string;
}

export type Responder = (seen: Seen, socket: TLSSocket) => void;

/** A TLS server that keeps the raw bytes of what it gets, and answers as told. */
export interface EchoApiServer extends AsyncDisposable {
  readonly url: string;
  readonly ca: string;
  readonly seen: Seen[];
  readonly sockets: Set<TLSSocket>;
  respond: Responder;
  /** Answers the agent's own questions, instead of as a server where all is well. */
  probes: Responder | undefined;
  /** Answers as soon as the head is there. */
  isHasty: boolean;
  readonly token: string;
}

export const token = 'agent-token-canary';

export function okJson(value: unknown, extra = ''): Responder {
  const body = typeof value === 'string' ? value : JSON.stringify(value);
  return (_, socket) => {
    socket.write(
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${extra}\r\n${body}`,
    );
  };
}

export async function startEchoApiServer(): Promise<EchoApiServer> {
  const { key, cert } = selfSigned();
  const sockets = new Set<TLSSocket>();
  const server = createServer({ key, cert });
  const echo: Omit<EchoApiServer, 'url' | typeof Symbol.asyncDispose> = {
    ca: cert,
    seen: [],
    sockets,
    respond: okJson({ kind: 'Echo' }),
    probes: undefined,
    isHasty: false,
    token,
  };
  server.on('secureConnection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    let buffered = '';
    socket.on('data', (chunk) => {
      buffered += chunk.toString('latin1');
      buffered = readRequests(buffered, echo, socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return Object.assign(echo, {
    url,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

/** Takes whole requests off the front; sends a probe's answer itself, so that tests see only what they sent. */
function readRequests(
  text: string,
  echo: Pick<EchoApiServer, 'seen' | 'respond' | 'probes' | 'isHasty'>,
  socket: TLSSocket,
): string {
  let rest = text;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return rest;
    const head = rest.slice(0, end);
    const [requestLine = '', ...lines] = head.split('\r\n');
    const headers = lines.map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    });
    const length = echo.isHasty ? 0 : Number(headers.find(([name]) => name === 'content-length')?.[1] ?? 0);
    const chunked = headers.some(([name]) => name === 'transfer-encoding');
    const bodyEnd = chunked ? rest.indexOf('0\r\n\r\n', end + 4) + 5 : end + 4 + length;
    if (rest.length < bodyEnd || (chunked && bodyEnd < end + 9)) return rest;
    const seen: Seen = { head, requestLine, headers, body: rest.slice(end + 4, bodyEnd) };
    rest = rest.slice(bodyEnd);
    if (isProbe(seen)) (echo.probes ?? okJson(probeAnswer(seen)))(seen, socket);
    else {
      echo.seen.push(seen);
      echo.respond(seen, socket);
    }
  }
}

/** A server of version 1.33, at which our credentials may do what they need and no more. */
function probeAnswer({ body }: Seen): unknown {
  return { gitVersion: 'v1.33.0', status: { allowed: !body.includes('"*"') } };
}

function isProbe({ requestLine, headers }: Seen): boolean {
  if (headers.some(([name]) => name === 'impersonate-user')) return false;
  return (
    requestLine.startsWith('GET /version ') ||
    requestLine.startsWith('GET /readyz ') ||
    requestLine.includes('/selfsubjectaccessreviews ')
  );
}

export function selfSigned(): { key: string; cert: string } {
  const dir = mkdtempSync(join(tmpdir(), 'postern-echo-'));
  try {
    const request =
      'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=echo';
    const names = ['-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
    const files = ['-keyout', join(dir, 'key.pem'), '-out', join(dir, 'cert.pem')];
    execFileSync('openssl', request.split(' ').concat(names, files), { stdio: 'ignore' });
    return {
      key: readFileSync(join(dir, 'key.pem'), 'utf8'),
      cert: readFileSync(join(dir, 'cert.pem'), 'utf8'),
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
