import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import {
  type IncomingHttpHeaders,
  createSecureServer,
  type Http2SecureServer,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { openPki } from '@postern/lab';
import type { Dispatcher } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ApiServer } from '../src/index.ts';

interface Told {
  status: number;
  body: string;
  bytes: number;
  error: Error | undefined;
  isEnded: boolean;
  controller: Dispatcher.DispatchController | undefined;
}

let folder: string;
let pem: { key: Buffer; cert: Buffer; ca: string };
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'postern-http-'));
  const pki = await openPki(join(folder, 'pki'));
  const { key, cert } = await pki.issue('server', {
    commonName: 'server',
    hosts: ['127.0.0.1', 'localhost'],
  });
  pem = { key: readFileSync(key), cert: readFileSync(cert), ca: readFileSync(pki.ca.cert, 'utf8') };
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const portOf = (server: Server | Http2SecureServer) => (server.address() as AddressInfo).port;

async function listen<S extends Server | Http2SecureServer>(server: S): Promise<S> {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', () => resolve()));
  closing.push(() => server.close());
  return server;
}

/** A TLS server that answers whole requests as told, by number of connection. */
async function rawServer(answer: (request: string, socket: TLSSocket, connection: number) => void) {
  let connections = 0;
  const requests: string[] = [];
  const numbers = new Map<number | undefined, number>();
  const server = createServer({ key: pem.key, cert: pem.cert, ALPNProtocols: ['http/1.1'] }, (socket) => {
    const number = numbers.get(socket.remotePort) ?? 0;
    closing.push(() => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      requests.push(data.toString('latin1'));
      answer(data.toString('latin1'), socket, number);
    });
  });
  server.on('connection', (socket: Socket) => numbers.set(socket.remotePort, (connections += 1)));
  await listen(server);
  return { api: apiServer(portOf(server)), requests, connections: () => connections };
}

function apiServer(port: number): ApiServer {
  const api = new ApiServer({ server: `https://127.0.0.1:${port}`, ca: pem.ca }, { mayConnect: () => true });
  closing.push(() => api[Symbol.asyncDispose]());
  return api;
}

interface Ask {
  readonly method?: 'GET' | 'POST';
  readonly path?: string;
  readonly headers?: string[];
  readonly body?: Buffer | Readable;
  readonly each?: (chunk: Buffer, controller: Dispatcher.DispatchController) => void;
}

function ask(through: Dispatcher, { method = 'GET', path = '/', headers = [], body, each }: Ask = {}): Told {
  const told: Told = {
    status: 0,
    body: '',
    bytes: 0,
    error: undefined,
    isEnded: false,
    controller: undefined,
  };
  through.dispatch(
    { path, method, headers: ['host', 'api.test', ...headers], body: body ?? null },
    {
      onRequestStart: (controller) => (told.controller = controller),
      onResponseStart: (_controller, status) => (told.status = status),
      onResponseData: (controller, chunk) => {
        told.bytes += chunk.length;
        if (told.bytes < 10_000) told.body += chunk.toString();
        each?.(chunk, controller);
      },
      onResponseEnd: () => (told.isEnded = true),
      onResponseError: (_controller, error) => (told.error = error),
    },
  );
  return told;
}

const isOver = (told: Told) =>
  expect.poll(() => told.isEnded || told.error !== undefined, { timeout: 5000 }).toBe(true);
const text = (body: string) => `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

describe('requests over HTTP/1.1', () => {
  test('take turns on one connection', async () => {
    const { api, connections } = await rawServer((_, socket) => socket.write(text('hello')));
    for (let count = 0; count < 3; count += 1) {
      const told = ask(api.requests);
      await isOver(told);
      expect(told).toMatchObject({ status: 200, body: 'hello' });
    }
    expect(connections()).toBe(1);
  });

  test('at once have a connection each, and share them afterwards', async () => {
    const { api, connections } = await rawServer((_, socket) => socket.write(text('x')));
    const many = Array.from({ length: 8 }, () => ask(api.requests));
    for (const told of many) await isOver(told);
    const before = connections();
    const more = Array.from({ length: 8 }, () => ask(api.requests));
    for (const told of more) await isOver(told);
    expect(more.every(({ isEnded }) => isEnded)).toBe(true);
    expect(connections()).toBe(before);
  });

  test('after an answer with something behind it begin anew (S-14)', async () => {
    const { api, connections } = await rawServer((_, socket, number) =>
      socket.write(number === 1 ? text('one') + text('stolen') : text('two')),
    );
    const first = ask(api.requests);
    await isOver(first);
    expect(first).toMatchObject({ isEnded: true, body: 'one' });
    const second = ask(api.requests);
    await isOver(second);
    expect(second.body).toBe('two');
    expect(connections()).toBe(2);
  });

  test('a connection on which the server speaks unasked is not used (S-14)', async () => {
    const { api, connections } = await rawServer((_, socket, number) => {
      socket.write(text(`from ${number}`));
      if (number === 1) setTimeout(() => socket.write(text('stolen')), 20);
    });
    await isOver(ask(api.requests));
    await expect
      .poll(async () => {
        const told = ask(api.requests);
        await isOver(told);
        return told.body;
      })
      .toBe('from 2');
    expect(connections()).toBe(2);
  });

  test('paused until the answer has ended leave the connection usable', async () => {
    const { api } = await rawServer((_, socket) => socket.write(text('y'.repeat(200_000))));
    for (let count = 0; count < 3; count += 1) {
      const told = ask(api.requests, { each: (_, controller) => controller.pause() });
      const resume = setInterval(() => !told.isEnded && told.controller!.resume(), 5);
      await isOver(told);
      clearInterval(resume);
      expect(told.bytes).toBe(200_000);
    }
  });

  test('a paused answer stops coming', async () => {
    const { api } = await rawServer((_, socket) => socket.write(text('z'.repeat(20_000_000))));
    const told = ask(api.requests, { each: (_, controller) => controller.pause() });
    await expect.poll(() => told.bytes > 0).toBe(true);
    let before = -1;
    await expect.poll(() => before === (before = told.bytes), { interval: 100 }).toBe(true);
    expect(told.bytes).toBeLessThan(1_000_000);
    const resume = setInterval(() => told.controller!.resume(), 1);
    await isOver(told);
    clearInterval(resume);
    expect(told.bytes).toBe(20_000_000);
  });

  test('of a body that comes in parts are sent in chunks, or by the length that was said', async () => {
    const { api, requests } = await rawServer((request, socket) => {
      if (/0\r\n\r\n$|abcdef$/.test(request)) socket.write(text('ok'));
    });
    await isOver(
      ask(api.requests, { method: 'POST', body: Readable.from([Buffer.from('abc'), Buffer.from('def')]) }),
    );
    expect(requests.join('')).toMatch(/transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n$/);
    const before = requests.length;
    const body = Readable.from([Buffer.from('abc'), Buffer.from('def')]);
    await isOver(ask(api.requests, { method: 'POST', body, headers: ['content-length', '6'] }));
    expect(requests.slice(before).join('')).toMatch(/content-length: 6\r\n\r\nabcdef$/);
  });

  test.each([
    ['4', 'shorter'],
    ['9', 'longer'],
  ])('of a body with length %s, %s than it is, end the connection (S-04)', async (length) => {
    const { api, connections } = await rawServer((request, socket) => {
      if (request.startsWith('GET')) socket.write(text('ok'));
    });
    const body = Readable.from([Buffer.from('abcdef')]);
    const told = ask(api.requests, { method: 'POST', body, headers: ['content-length', length] });
    await isOver(told);
    expect(told.error).toMatchObject({ code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH' });
    await isOver(ask(api.requests));
    expect(connections()).toBe(2);
  });

  test('answered before their body was read end the connection (S-11)', async () => {
    const { api, connections } = await rawServer((request, socket) => {
      if (request.includes('HTTP/1.1')) socket.write(text('early'));
    });
    const body = new PassThrough();
    const told = ask(api.requests, { method: 'POST', body });
    await isOver(told);
    expect(told).toMatchObject({ body: 'early', isEnded: true });
    await isOver(ask(api.requests));
    expect(connections()).toBe(2);
  });

  test.each([
    ['a header', { headers: ['x', 'a\r\nimpersonate-group: system:masters'] }],
    ['a name', { headers: ['x: y\r\nimpersonate-user', 'root'] }],
    ['a path', { path: '/api HTTP/1.1\r\nimpersonate-user: root' }],
  ])('with a line end in %s are not sent (S-08)', async (_, request) => {
    const { api, requests } = await rawServer((_text, socket) => socket.write(text('ok')));
    const told = ask(api.requests, request);
    await isOver(told);
    expect(told.error).toMatchObject({ code: 'UND_ERR_INVALID_ARG' });
    expect(requests).toEqual([]);
  });

  test('given up end their connection, and no other', async () => {
    const { api, connections } = await rawServer((request, socket) => {
      if (!request.includes('/hang')) socket.write(text('ok'));
    });
    const hanging = ask(api.requests, { path: '/hang' });
    await expect.poll(() => hanging.controller !== undefined).toBe(true);
    hanging.controller!.abort(new Error('enough'));
    expect(hanging.error?.message).toBe('enough');
    await isOver(ask(api.requests));
    expect(connections()).toBe(2);
  });

  test('cut in the middle of the answer say so', async () => {
    const { api } = await rawServer((_, socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf');
      socket.end();
    });
    const told = ask(api.requests);
    await isOver(told);
    expect(told).toMatchObject({ body: 'half', isEnded: false });
    expect(told.error).toMatchObject({ code: 'UND_ERR_SOCKET' });
  });
});

describe('answers that stay open', () => {
  async function http2Server(answer: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void) {
    const sessions: ServerHttp2Session[] = [];
    const server = createSecureServer({ key: pem.key, cert: pem.cert });
    server.on('session', (session) => sessions.push(session));
    server.on('stream', (stream: ServerHttp2Stream, headers) => {
      stream.on('error', () => undefined);
      answer(stream, headers);
    });
    closing.push(() => sessions.forEach((session) => session.destroy()));
    await listen(server);
    return { api: apiServer(portOf(server)), sessions };
  }

  const watching = (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200 });
    stream.write('{}\n');
  };

  test('share a connection, a hundred to each', async () => {
    const { api, sessions } = await http2Server(watching);
    const watches = Array.from({ length: 150 }, () => ask(api.streams));
    await expect.poll(() => watches.every(({ body }) => body === '{}\n'), { timeout: 5000 }).toBe(true);
    expect(sessions).toHaveLength(2);
  });

  test('given up end alone', async () => {
    const { api } = await http2Server(watching);
    const [one, other] = [ask(api.streams), ask(api.streams)];
    await expect.poll(() => one.body + other.body).toBe('{}\n{}\n');
    one.controller!.abort(new Error('revoked'));
    expect(one.error?.message).toBe('revoked');
    const third = ask(api.streams);
    await expect.poll(() => third.body).toBe('{}\n');
    expect(other).toMatchObject({ error: undefined, isEnded: false });
  });

  test('that one reader leaves unread do not stop the others', async () => {
    const { api } = await http2Server((stream) => {
      stream.respond({ ':status': 200 });
      stream.write(Buffer.alloc(2_000_000, 'x'));
    });
    const stalled = ask(api.streams, { each: (_, controller) => controller.pause() });
    await expect.poll(() => stalled.bytes > 0).toBe(true);
    const other = ask(api.streams);
    await expect.poll(() => other.bytes, { timeout: 5000 }).toBe(2_000_000);
    expect(stalled.bytes).toBeLessThan(1_000_000);
  });

  test('go to another connection when the server says that it goes away', async () => {
    const { api, sessions } = await http2Server(watching);
    const before = ask(api.streams);
    await expect.poll(() => before.body).toBe('{}\n');
    sessions[0]!.goaway(0, 2 ** 31 - 1);
    // Its answer comes from a client that has read what went before.
    await new Promise((resolve) => sessions[0]!.ping(resolve));
    const later = ask(api.streams);
    await expect.poll(() => later.body).toBe('{}\n');
    expect(sessions).toHaveLength(2);
    expect(before).toMatchObject({ error: undefined, isEnded: false });
  });

  test('carry every value of a header that comes several times, and the host as authority', async () => {
    let seen: Record<string, unknown> = {};
    const { api } = await http2Server((stream, headers) => {
      seen = headers;
      stream.respond({ ':status': 200 }, { endStream: true });
    });
    await isOver(ask(api.streams, { headers: ['impersonate-group', 'a', 'impersonate-group', 'b,c'] }));
    expect(seen).toMatchObject({ ':authority': 'api.test', 'impersonate-group': 'a, b,c' });
  });

  test('have a connection each where the server speaks HTTP/1.1 alone', async () => {
    const { api, connections } = await rawServer((_, socket) =>
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{}\n\r\n'),
    );
    const watches = Array.from({ length: 5 }, () => ask(api.streams));
    await expect.poll(() => watches.every(({ body }) => body === '{}\n')).toBe(true);
    expect(connections()).toBeGreaterThanOrEqual(5);
  });

  test('whose stream the server resets say so', async () => {
    const { api } = await http2Server((stream) => {
      watching(stream);
      stream.close(2);
    });
    const told = ask(api.streams);
    await isOver(told);
    expect(told.error).toBeInstanceOf(Error);
    expect(told.isEnded).toBe(false);
  });
});
