import { AppError } from '@postern/core';
import { silentTelemetry, type SilentTelemetry } from '@postern/telemetry';
import { Type } from 'typebox';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  allowIf,
  Answer,
  describeRoutes,
  type HttpServer,
  httpServer,
  type Route,
  route,
} from '../src/index.ts';
import type { HeldIdentity, IdentityMaterial } from '@postern/identity';
import { rawConnection, type Reply, send } from './support/client.ts';
import { makeTrust } from './support/identities.ts';

/** Waits for a condition; the bound is for a machine that does much else. */
const eventually = <T>(read: () => T) => expect.poll(read, { timeout: 10_000, interval: 20 });

interface Deps {
  readonly calls: string[];
}

const thing = Type.Object({
  name: Type.String(),
  size: Type.Integer({ minimum: 0 }),
  id: Type.Optional(Type.String({ format: 'uuid' })),
});
const none = Type.Object({});

const routes: Route<Deps>[] = [
  route<Deps>()({
    method: 'GET',
    url: '/v1/open',
    allow: 'public',
    handle: (_, { principal }) => ({ id: principal?.id ?? null }),
  }),
  route<Deps>()({
    method: 'GET',
    url: '/v1/known',
    allow: 'authenticated',
    handle: (_, { principal }) => ({ id: principal.id }),
  }),
  route<Deps>()({
    method: 'POST',
    url: '/v1/things',
    allow: 'authenticated',
    body: thing,
    status: 201,
    bodyLimit: 2_000_000,
    handle: ({ calls }, { body, request }) => {
      calls.push(body.name);
      return { ...body, size: body.size + 1, commandId: request.commandId };
    },
  }),
  route<Deps>()({
    method: 'POST',
    url: '/v1/small',
    allow: 'public',
    body: Type.Unknown(),
    bodyLimit: 100,
    handle: (_, { body }) => ({ body }),
  }),
  route<Deps>()({
    method: 'GET',
    url: '/v1/things/:name',
    allow: 'authenticated',
    params: Type.Object({ name: Type.String({ maxLength: 253 }) }),
    query: Type.Object({ full: Type.Optional(Type.String()) }),
    handle: (_, { params, query }) =>
      new Answer({ ...params, full: query.full ?? null }, { status: 203, headers: { etag: '"1"' } }),
  }),
  route<Deps>()({
    method: 'DELETE',
    url: '/v1/things/:name',
    allow: 'authenticated',
    params: Type.Object({ name: Type.String() }),
    handle: () => undefined,
  }),
  route<Deps>()({
    method: 'GET',
    url: '/v1/mine/:user',
    allow: allowIf<Deps>('the user itself', ({ principal, params }) => principal.id === params['user']),
    params: Type.Object({ user: Type.String() }),
    handle: () => none,
  }),
  route<Deps>()({
    method: 'GET',
    url: '/v1/fails/:how',
    allow: 'public',
    params: Type.Object({ how: Type.String() }),
    handle: (_, { params }) => {
      if (params.how === 'bug') throw new TypeError('password hunter2 of db');
      throw new AppError('conflict', 'test.conflict', 'the version moved');
    },
  }),
];

let server: HttpServer;
let telemetry: SilentTelemetry;
let port: number;
let agent: IdentityMaterial;
let held: HeldIdentity;
const calls: string[] = [];

beforeAll(async () => {
  const trust = await makeTrust();
  held = await trust.held('svc', 'resource-1', ['Auth']);
  agent = await trust.issue('agent', 'a1', ['Kube']);
  telemetry = silentTelemetry('resource-svc');
  const limits = { headersMs: 600, requestMs: 1_200, checkEveryMs: 50, bodyBytes: 10_000, drainMs: 500 };
  server = httpServer({
    identity: held,
    service: 'resource-svc',
    telemetry,
    routes,
    deps: { calls },
    limits,
  });
  ({ port } = await server.listen({ host: '127.0.0.1', port: 0 }));
});

afterAll(() => server.close());

type Options = Partial<Parameters<typeof send>[1]>;

const get = (path: string, options: Options = {}): Promise<Reply> =>
  send(port, { path, ca: agent.hostCa, as: agent, ...options });

const post = (
  path: string,
  body: string | Buffer,
  headers: Record<string, string> = { 'content-type': 'application/json' },
) => get(path, { method: 'POST', body, headers });

const json = (path: string, body: unknown) => post(path, JSON.stringify(body));

describe('an operation', () => {
  test('answers JSON with its status', async () => {
    const reply = await json('/v1/things', { name: 'x', size: 2 });
    expect([reply.status, reply.headers['content-type']]).toEqual([201, 'application/json; charset=utf-8']);
    expect(reply.json()).toMatchObject({ name: 'x', size: 3 });
  });

  test('may answer with a status and headers of its own, or with nothing', async () => {
    const reply = await get('/v1/things/a%2Fb%20%C3%A4?full=yes');
    expect([reply.status, reply.headers['etag'], reply.json()]).toEqual([
      203,
      '"1"',
      { name: 'a/b ä', full: 'yes' },
    ]);
    const deleted = await get('/v1/things/x', { method: 'DELETE' });
    expect([deleted.status, deleted.text]).toEqual([204, '']);
  });

  test('takes names as long as names may be', async () => {
    const name = 'ä'.repeat(253);
    expect((await get(`/v1/things/${encodeURIComponent(name)}`)).json()['name']).toBe(name);
  });

  test('derives the command from the header and the caller, and makes one where none is given', async () => {
    const id = crypto.randomUUID();
    const sent = () =>
      post('/v1/things', '{"name":"x","size":1}', {
        'content-type': 'application/json',
        'postern-command-id': id,
      });
    const [one, two] = [(await sent()).json(), (await sent()).json()];
    expect(one['commandId']).toBe(two['commandId']);
    expect(one['commandId']).not.toBe(id);
    expect((await json('/v1/things', { name: 'x', size: 1 })).json()['commandId']).not.toBe(one['commandId']);
    const bad = await post('/v1/things', '{"name":"x","size":1}', {
      'content-type': 'application/json',
      'postern-command-id': '1',
    });
    expect(bad.json()).toMatchObject({ status: 400, code: 'http.invalid_request' });
  });

  test('is described for the documents', () => {
    expect(describeRoutes(routes)).toContainEqual({
      method: 'GET',
      url: '/v1/mine/:user',
      allow: 'the user itself',
    });
  });
});

describe('a body', () => {
  test.each([
    ['a text for a whole number', { name: 'x', size: '10' }, 'body/size must be integer'],
    ['a number for a text', { name: 1, size: 1 }, 'body/name must be string'],
    ['a missing field', { name: 'x' }, 'body must have required properties size'],
    ['an unknown field', { name: 'x', size: 1, more: 1 }, 'body must not have the field "more"'],
    ['a bad format', { name: 'x', size: 1, id: 'x' }, 'body/id must match format "uuid"'],
    ['a list', [], 'body must be object'],
    ['null', null, 'body must be object'],
  ])('with %s is refused by name', async (_, body, detail) => {
    const reply = await json('/v1/things', body);
    expect(reply.json()).toMatchObject({ status: 400, code: 'http.invalid_request', detail });
    expect(reply.headers['content-type']).toBe('application/problem+json');
  });

  test.each([
    ['nothing', ''],
    ['no JSON', '{"name":'],
    ['a poisoned prototype', '{"name":"x","size":1,"__proto__":{"admin":true}}'],
    ['an escaped poisoned prototype', '{"name":"x","size":1,"\\u005f_proto__":{"admin":true}}'],
    ['a NUL character', '{"name":"a\\u0000b","size":1}'],
    ['a number out of range', '{"name":"x","size":1e400}'],
    ['two documents', '{"name":"x","size":1}{"name":"x","size":1}'],
  ])('of %s is refused', async (_, body) => {
    expect((await post('/v1/things', body)).status).toBe(400);
  });

  test.each([101, 1_000, 100_000])('that is nested %i levels deep is refused', async (levels) => {
    const deep = await post('/v1/things', `{"name":${'['.repeat(levels)}${']'.repeat(levels)},"size":1}`);
    expect(deep.status).toBe(400);
  });

  test('that is not UTF-8 is refused', async () => {
    expect((await post('/v1/things', Buffer.from('{"name":"\xff","size":1}', 'latin1'))).status).toBe(400);
  });

  test('may call its fields what objects are made of', async () => {
    const body = '{"constructor":{"prototype":{"x":1}},"toString":1,"hasOwnProperty":2}';
    expect((await post('/v1/small', body)).text).toBe(`{"body":${body}}`);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });

  test('larger than its operation takes is refused before it was read', async () => {
    expect((await post('/v1/small', JSON.stringify('x'.repeat(200)))).json()).toMatchObject({
      status: 413,
      code: 'http.body_too_large',
    });
    const chunked = await post('/v1/small', Buffer.alloc(20_000, 'x'), {
      'content-type': 'application/json',
      'transfer-encoding': 'chunked',
    });
    expect(chunked.status).toBe(413);
    const big = JSON.stringify({ name: 'x'.repeat(1_500_000), size: 1 });
    expect((await post('/v1/things', big)).status).toBe(201);
  });

  test('is refused where the operation takes none', async () => {
    const reply = await get('/v1/things/x', {
      method: 'DELETE',
      body: '{}',
      headers: { 'content-type': 'application/json' },
    });
    expect(reply.status).toBe(400);
  });
});

describe('a content type', () => {
  const types: [string, number][] = [
    ['application/json', 201],
    ['application/json; charset=utf-8', 201],
    ['application/json;charset=UTF-8', 201],
    ['Application/JSON', 201],
    ['application/json\ta', 415],
    ['Application/JSON ; x', 415],
    ['application/json garbage', 415],
    ['application/json; charset=utf-16', 415],
    ['application/json; charset=utf-8; x=y', 415],
    ['application/jsonx', 415],
    ['text/plain', 415],
    ['text/plain; application/json', 415],
    ['application/x-www-form-urlencoded', 415],
    ['multipart/form-data; boundary=x', 415],
    ['application/merge-patch+json', 415],
    ['application/problem+json', 415],
    ['*/*', 415],
    ['', 415],
  ];
  test.each(types)('of %j answers %i', async (type, status) => {
    calls.length = 0;
    const reply = await post('/v1/things', '{"name":"x","size":1}', { 'content-type': type });
    expect(reply.status).toBe(status);
    expect(calls).toHaveLength(status === 201 ? 1 : 0);
  });

  test('that is absent answers 415', async () => {
    expect((await post('/v1/things', '{"name":"x","size":1}', {})).status).toBe(415);
  });

  test('that is given twice answers 415', async () => {
    const headers = { 'content-type': ['application/json', 'text/plain'] };
    expect((await get('/v1/things', { method: 'POST', body: '{"name":"x","size":1}', headers })).status).toBe(
      415,
    );
  });

  test('with blanks before it is the same to every parser: it is checked, not skipped', async () => {
    const { socket, closed } = await rawConnection(port, agent.hostCa);
    const body = '"not a thing"';
    socket.write(
      `POST /v1/small HTTP/1.1\r\nHost: x\r\nContent-Type:    application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    );
    expect(await closed).toContain(`{"body":${body}}`);
  });

  test.each(['gzip', 'br', 'deflate', 'identity, gzip'])(
    'with the encoding %s answers 415',
    async (encoding) => {
      const headers = { 'content-type': 'application/json', 'content-encoding': encoding };
      expect((await post('/v1/things', 'xx', headers)).status).toBe(415);
    },
  );
});

describe('a path', () => {
  test('that nobody declared answers 404 as a problem', async () => {
    for (const path of [
      '/',
      '/v1',
      '/v1/known/',
      '//v1/known',
      '/v1/KNOWN',
      '/metrics',
      '/healthz',
      '/v1/open/../known',
    ]) {
      expect((await get(path)).json()).toMatchObject({ status: 404, code: 'http.not_found' });
    }
  });

  test('with another method answers 405 with the methods there are', async () => {
    const reply = await get('/v1/things/x', { method: 'PUT' });
    expect(reply.json()).toMatchObject({
      status: 405,
      code: 'http.method_not_allowed',
      title: 'Method Not Allowed',
    });
    expect(reply.headers['allow']).toBe('GET, DELETE');
    expect((await get('/v1/known', { method: 'OPTIONS' })).status).toBe(405);
  });

  test('that cannot be decoded answers 400', async () => {
    expect((await get('/v1/things/%E0%A4%A')).json()).toMatchObject({
      status: 400,
      code: 'http.malformed_request',
    });
  });

  test('with an unknown or repeated query parameter answers 400', async () => {
    for (const query of ['fulll=1', 'full=1&full=2', '__proto__=1', 'a[__proto__][x]=1']) {
      expect((await get(`/v1/things/x?${query}`)).status).toBe(400);
    }
  });
});

describe('a failure', () => {
  test('of ours is told with its code', async () => {
    expect((await get('/v1/fails/ours')).json()).toEqual({
      type: 'about:blank',
      title: 'Conflict',
      status: 409,
      detail: 'the version moved',
      code: 'test.conflict',
      traceId: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
    });
  });

  test('that is a bug is logged, and its text stays inside', async () => {
    const headers = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' };
    const reply = await get('/v1/fails/bug', { headers });
    expect(reply.json()).toMatchObject({
      status: 500,
      code: 'core.unexpected',
      traceId: '0af7651916cd43dd8448eb211c80319c',
    });
    expect(reply.text).not.toContain('hunter2');
    const line = telemetry.lines.find((text) => text.includes('0af7651916cd43dd8448eb211c80319c'));
    expect(JSON.parse(line!)).toMatchObject({
      level: 'error',
      status: 500,
      error: { cause: { name: 'TypeError' } },
    });
  });
});

describe('a request', () => {
  test('leaves a log line without its path and a measurement', async () => {
    await get('/v1/things/token-canary-7?full=query-canary-7', {
      headers: { 'user-agent': 'agent-canary-7' },
    });
    await eventually(() => telemetry.lines.some((line) => line.includes('"route":"/v1/things/:name"'))).toBe(
      true,
    );
    expect(telemetry.lines.join('\n')).not.toContain('canary-7');
    const metrics = await telemetry.metrics();
    expect(metrics).toContain(
      'http_server_request_duration_seconds_count{method="GET",route="/v1/things/:name",status="203"}',
    );
    expect(metrics).not.toContain('canary-7');
  });

  test('with too many or too long header fields answers 431', async () => {
    const headers = Object.fromEntries(Array.from({ length: 150 }, (_, index) => [`x-${index}`, 'y']));
    expect((await get('/v1/open', { headers })).json()).toMatchObject({
      status: 431,
      code: 'http.headers_too_large',
    });
    expect((await get('/v1/open', { headers: { 'x-long': 'y'.repeat(20_000) } })).status).toBe(431);
  });
});

describe('a slow or broken client', () => {
  test.each([
    ['says nothing', []],
    ['sends half a header', ['GET /v1/open HTTP/1.1\r\nHost: x\r\nX-A: ']],
    [
      'sends half a body',
      [
        'POST /v1/small HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n"x',
      ],
    ],
  ])('that %s is cut off', async (_, parts) => {
    const { socket, closed } = await rawConnection(port, agent.hostCa);
    for (const part of parts) socket.write(part);
    const answer = await closed;
    if (parts.length > 0) expect(answer).toContain('408');
    else expect(answer).toMatch(/^(HTTP\/1.1 408|$)/);
  });

  test.each([
    ['no HTTP', 'hello\r\n\r\n'],
    ['no host', 'GET /v1/open HTTP/1.1\r\n\r\n'],
    ['two lengths', 'POST /v1/small HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx'],
    [
      'a length and chunks',
      'POST /v1/small HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
  ])('that sends %s is refused', async (_, text) => {
    const { socket, closed } = await rawConnection(port, agent.hostCa);
    socket.write(text);
    expect(await closed).toMatch(/^HTTP\/1.1 400/);
  });
});
