import { assertionHeader, type HeldIdentity, type IdentityMaterial, signAssertion } from '@postern/identity';
import { currentCause, silentTelemetry } from '@postern/telemetry';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { allowIf, type HttpServer, httpServer, type Route, route } from '../src/index.ts';
import { send } from './support/client.ts';
import { makeTrust, type TestTrust } from './support/identities.ts';

const told = (
  _: object,
  {
    principal,
    request,
  }: { principal: { id: string } | undefined; request: { id: string; sourceIp: string } },
) => ({
  id: principal?.id ?? null,
  requestId: request.id,
  sourceIp: request.sourceIp,
});

const routes: Route<object>[] = [
  route<object>()({ method: 'GET', url: '/public', allow: 'public', handle: told }),
  route<object>()({ method: 'GET', url: '/authenticated', allow: 'authenticated', handle: told }),
  route<object>()({
    method: 'GET',
    url: '/cause',
    allow: 'authenticated',
    // Also after something was awaited, as a store is.
    handle: async () => Promise.resolve().then(currentCause),
  }),
  route<object>()({ method: 'GET', url: '/agent', allow: 'agent', handle: told }),
  route<object>()({ method: 'GET', url: '/service', allow: 'service', handle: told }),
  route<object>()({
    method: 'GET',
    url: '/alice',
    allow: allowIf('alice', ({ principal }) => principal.id === 'alice'),
    handle: told,
  }),
];

let trust: TestTrust;
let foreign: TestTrust;
let server: HttpServer;
let port: number;
let edge: HeldIdentity;
let otherEdge: HeldIdentity;
let alice: HeldIdentity;
let own: HeldIdentity;
const now = { at: new Date() };

beforeAll(async () => {
  [trust, foreign] = await Promise.all([makeTrust(), makeTrust()]);
  [own, edge, otherEdge, alice] = await Promise.all([
    trust.held('svc', 'inventory-1', ['Auth']),
    trust.held('svc', 'edge-1', ['Proxy']),
    trust.held('svc', 'edge-2', ['Proxy']),
    trust.held('user', 'alice'),
  ]);
  const clock = () => now.at;
  server = httpServer({
    identity: own,
    service: 'inventory-svc',
    telemetry: silentTelemetry(),
    routes,
    deps: {},
    clock,
  });
  ({ port } = await server.listen({ host: '127.0.0.1', port: 0 }));
});

afterAll(() => server.close());

function call(path: string, as?: IdentityMaterial, headers: Record<string, string | string[]> = {}) {
  return send(port, { path, as, headers, ca: own.trust().hostCa });
}

interface Asserting {
  readonly signer?: HeldIdentity;
  readonly principal?: HeldIdentity | undefined;
  readonly audience?: 'join-svc' | 'resource-svc' | 'inventory-svc';
  readonly at?: Date;
}

async function assertion({
  signer = edge,
  principal,
  audience = 'inventory-svc',
  at = new Date(),
}: Asserting) {
  const about = {
    principal: principal?.current().principal,
    requestId: 'request-7',
    sourceIp: '203.0.113.9',
  };
  return { [assertionHeader]: await signAssertion(signer.current(), about, { audience, at }) };
}

test('what a request leads to names it as its conversation', async () => {
  const reply = await call('/cause', edge.current(), await assertion({ principal: alice }));
  expect(reply.json()).toEqual({ correlationId: 'request-7' });
});

describe('a caller on its own connection', () => {
  const rows: [string, string, Record<string, number>][] = [
    ['nobody', '', { '/public': 200, '/authenticated': 401, '/agent': 401, '/service': 401, '/alice': 401 }],
    [
      'an agent',
      'agent:a1',
      { '/public': 200, '/authenticated': 200, '/agent': 200, '/service': 403, '/alice': 403 },
    ],
    [
      'a service',
      'svc:s1',
      { '/public': 200, '/authenticated': 200, '/agent': 200, '/service': 200, '/alice': 403 },
    ],
    ['an agent called alice', 'agent:alice', { '/alice': 200 }],
    [
      'a user, whose authority is not asked here,',
      'user:alice',
      { '/public': 401, '/authenticated': 401, '/alice': 401 },
    ],
  ];
  const roles = { agent: ['Kube'], svc: ['Auth'], user: [] };
  test.each(rows)('that is %s gets what its kind may have', async (_, who, expected) => {
    const [type, id] = who.split(':') as ['agent' | 'svc' | 'user', string];
    const as = who === '' ? undefined : await trust.issue(type, id, roles[type]);
    for (const [path, status] of Object.entries(expected)) {
      expect([path, (await call(path, as)).status]).toEqual([path, status]);
    }
  });

  test('with a certificate of another trust domain is refused everywhere', async () => {
    const stranger = await foreign.issue('svc', 's1', ['Auth']);
    for (const path of ['/public', '/authenticated', '/service'])
      expect((await call(path, stranger)).status).toBe(401);
  });

  test('with a certificate that has expired is refused everywhere', async () => {
    const agent = await trust.issue('agent', 'a9', ['Kube'], 3_000_000);
    expect((await call('/authenticated', agent)).status).toBe(200);
    now.at = new Date(Date.now() + 3_100_000);
    expect((await call('/authenticated', agent)).status).toBe(401);
    expect((await call('/public', agent)).status).toBe(401);
    now.at = new Date();
  });

  test('is told nothing of why it was refused', async () => {
    const problem = (await call('/authenticated', await foreign.issue('agent', 'a1'))).json();
    expect(problem).toMatchObject({
      code: 'http.unauthenticated',
      detail: 'a valid client certificate is needed',
    });
  });
});

describe('an assertion', () => {
  test('of an edge is who calls, from where, in which request', async () => {
    const reply = await call('/alice', edge.current(), await assertion({ principal: alice }));
    expect(reply.json()).toEqual({ id: 'alice', requestId: 'request-7', sourceIp: '203.0.113.9' });
  });

  test('about nobody reaches public operations only', async () => {
    expect((await call('/public', edge.current(), await assertion({}))).json()['id']).toBeNull();
    expect((await call('/authenticated', edge.current(), await assertion({}))).status).toBe(401);
  });

  test('about a service does not reach what is for services on their own connection', async () => {
    expect((await call('/service', edge.current(), await assertion({ principal: otherEdge }))).status).toBe(
      403,
    );
  });

  const refused: [
    string,
    () => Promise<[IdentityMaterial | undefined, Record<string, string | string[]>]>,
  ][] = [
    [
      'over a connection without a certificate',
      async () => [undefined, await assertion({ principal: alice })],
    ],
    [
      'from an agent',
      async () => [await trust.issue('agent', 'a1', ['Kube']), await assertion({ principal: alice })],
    ],
    [
      'from a service that is no edge',
      async () => [await trust.issue('svc', 's1', ['Auth']), await assertion({ principal: alice })],
    ],
    [
      'that another edge signed',
      async () => [edge.current(), await assertion({ principal: alice, signer: otherEdge })],
    ],
    [
      'for another service',
      async () => [edge.current(), await assertion({ principal: alice, audience: 'join-svc' })],
    ],
    [
      'of two minutes ago',
      async () => [edge.current(), await assertion({ principal: alice, at: new Date(Date.now() - 120_000) })],
    ],
    [
      'from the future',
      async () => [edge.current(), await assertion({ principal: alice, at: new Date(Date.now() + 120_000) })],
    ],
    ['that is empty', async () => [edge.current(), { [assertionHeader]: '' }]],
    ['that is garbage', async () => [edge.current(), { [assertionHeader]: 'a.b.c' }]],
    [
      'that is given twice',
      async () => [
        edge.current(),
        { [assertionHeader]: [...Object.values(await assertion({ principal: alice })), 'x'] },
      ],
    ],
    [
      'without a signature',
      async () => [
        edge.current(),
        { [assertionHeader]: unsigned(Object.values(await assertion({ principal: alice }))[0]!) },
      ],
    ],
  ];
  test.each(refused)('%s is refused, also where nobody needs to be known', async (_, make) => {
    const [as, headers] = await make();
    for (const path of ['/public', '/authenticated', '/alice'])
      expect((await call(path, as, headers)).status).toBe(401);
  });
});

describe('the identity of a listener', () => {
  test('is replaced while it runs', async () => {
    const before = own.current();
    own.replace(await trust.issue('svc', 'inventory-1', ['Auth']));
    expect(own.current().certificate).not.toBe(before.certificate);
    expect((await call('/public')).status).toBe(200);
  });
});

function unsigned(token: string): string {
  const header = Buffer.from(JSON.stringify({ alg: 'none', typ: 'postern-assertion+jwt' })).toString(
    'base64url',
  );
  return `${header}.${token.split('.')[1]}.`;
}
