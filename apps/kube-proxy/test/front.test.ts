import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { apiFront } from '@postern/contracts';
import { readCertificate, verifyAssertion } from '@postern/identity';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { at, dial, echoKubeconfig, raw, startEchoRig, until } from './support/rig.ts';

type EchoRig = Awaited<ReturnType<typeof startEchoRig>>;

const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nHost: edge\r\n${headers}\r\n`;
const bodyOf = (answer: string) => JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4));

describe('the public address', () => {
  let rig: EchoRig;
  let service: Server;
  const calls: { url: string; headers: Record<string, unknown>; body: string }[] = [];

  beforeAll(async () => {
    const urls: string[] = ['https://127.0.0.1:1'];
    const services = { 'join-svc': urls, 'resource-svc': urls, 'inventory-svc': [] };
    rig = await startEchoRig({ edge: { services } });
    const held = await rig.pki.held('resource-1', ['Auth']);
    const { key, certificate: cert, hostCa: ca } = held.current();
    service = createServer({ key, cert, ca, requestCert: true, rejectUnauthorized: true }, (req, res) => {
      let body = '';
      req.on('data', (chunk) => (body += chunk));
      req.on('end', () => {
        calls.push({ url: req.url!, headers: req.headers, body });
        res.writeHead(201, {
          'content-type': 'application/json',
          etag: '"1"',
          'set-cookie': 'a=b',
          server: 'secret',
        });
        res.end('{"ok":true}');
      });
    });
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
    urls.push(`https://127.0.0.1:${(service.address() as AddressInfo).port}`);
  });
  afterAll(async () => {
    await rig[Symbol.asyncDispose]();
    service.closeAllConnections();
    await new Promise((resolve) => service.close(resolve));
  });

  test.each(['/webapi/ping', '/v1/webapi/ping', '/webapi/find', '/v1/webapi/find'])(
    'answers %s to anybody',
    async (path) => {
      const answer = await raw(rig, undefined, get(path), 50);
      expect(answer).toMatch(/^HTTP\/1\.1 200 /);
      expect(bodyOf(answer)).toMatchObject({
        server_version: '0.1.0',
        cluster_name: 'postern.test',
        proxy: { kube: { enabled: true, public_addr: 'edge.test:3080' } },
      });
    },
  );

  test('does not know connectors', async () => {
    const answer = await raw(rig, undefined, get('/v1/webapi/ping/github'), 50);
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect(bodyOf(answer)).toEqual({ error: { message: 'connector "github" not found' } });
  });

  test.each(['/healthz', '/readyz'])('answers %s to anybody', async (path) => {
    expect(await raw(rig, undefined, get(path), 50)).toMatch(/^HTTP\/1\.1 200 /);
  });

  test.each([
    '/',
    '/metrics',
    '/v1',
    '/v1/nothing',
    '/v2/join',
    '/api/v1/pods',
    '/v1/joinx',
    '/healthz/x',
    '/debug/pprof',
    '/v1/teleport',
  ])('has nothing at %s', async (path) => {
    expect(await raw(rig, undefined, get(path), 50)).toMatch(/^HTTP\/1\.1 404 /);
    expect(await raw(rig, rig.alice, get(path), 50)).toMatch(/^HTTP\/1\.1 404 /);
  });

  test.each([
    at('c1', '/api/v1/pods'),
    at('c1', '/version'),
    '/v1/resources/role',
    '/v1/status',
    '/v1/me',
    '/v1/renew',
  ])('answers %s to nobody without a certificate', async (path) => {
    const seen = rig.echo.seen.length;
    const before = calls.length;
    expect(await raw(rig, undefined, get(path), 50)).toMatch(/^HTTP\/1\.1 401 /);
    expect([rig.echo.seen.length, calls.length]).toEqual([seen, before]);
  });

  test('asks for a certificate at every path of the API but two (U-06)', async () => {
    for (const { prefix, authenticated } of apiFront) {
      const before = calls.length;
      const status = Number((await raw(rig, undefined, get(`${prefix}/x`), 50)).slice(9, 12));
      expect([prefix, status, calls.length - before]).toEqual(
        authenticated ? [prefix, 401, 0] : [prefix, 201, 1],
      );
    }
    const open = apiFront.filter(({ authenticated }) => !authenticated).map(({ prefix }) => prefix);
    expect(open).toEqual(['/v1/join', '/v1/trust']);
  });

  test.each([
    '/v1/join/../resources/role',
    '/v1/join/..%2fresources/role',
    '/v1/join/%2e%2e/resources/role',
    '/v1/join/.%2e/resources/role',
    '/v1/join/..;/resources/role',
    '/v1/join/..\\resources/role',
    '/v1/join%2f..%2fresources/role',
    '/v1/join%252f..%252fresources/role',
    '/v1/join;/../resources/role',
    '/v1//resources/role',
    '//v1/resources/role',
    '/v1/./resources/role',
    '/v1/Resources/role',
    '/V1/resources/role',
    '/v1/%72esources/role',
    '/v1/trust/%00',
    '/v1/resources/role/',
    '/webapi/../v1/resources/role',
    '/webapi/%2e%2e/v1/resources/role',
    '/v1/webapi/../resources/role',
    'https://edge/v1/resources/role',
    '/v1/join?x=/../../v1/resources/role#',
    '/v1/resources/role?x=a%0d%0aX-Y:z',
  ])('leads nobody elsewhere by %s (U-06)', async (path) => {
    const before = calls.length;
    const answer = await raw(rig, undefined, get(path), 50);
    expect(answer).toMatch(/^HTTP\/1\.1 (?:400|401|404) /);
    expect(calls.length).toBe(before);
  });

  test('does not take a certificate of another cluster, nor one that is self-signed', async () => {
    const other = await startEchoRig();
    const answer = await raw(rig, other.alice, get(at('c1', '/api/v1/pods')), 50);
    expect(answer).toMatch(/^HTTP\/1\.1 401 /);
    await other[Symbol.asyncDispose]();
  });

  test('lets no agent or service into clusters', async () => {
    const { key, certificate: cert } = (await rig.pki.held('agent-7', ['Kube'])).current();
    const answer = await raw(rig, { key, cert }, get(at('c1', '/api/v1/pods')), 50);
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
    expect(bodyOf(answer)).toMatchObject({ kind: 'Status', message: '[00] access denied' });
  });

  test('forwards an API call with a signed statement of its caller, past a replica that is down', async () => {
    calls.length = 0;
    const post = (body: string) =>
      `POST /v1/resources/role?x=a%20b HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nPostern-Command-Id: c-1\r\nPostern-Assertion: forged\r\nCookie: x\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n${body}`;
    const answer = await raw(rig, rig.alice, post('{"a":1}'), 150);
    expect(answer).toMatch(/^HTTP\/1\.1 201 /);
    expect(answer).toMatch(/etag: "1"/i);
    expect(answer).not.toMatch(/set-cookie|secret/i);
    const again = await raw(rig, rig.alice, post('{"a":2}'), 150);
    expect(again).toMatch(/^HTTP\/1\.1 201 /);
    const [call] = calls;
    expect(call).toMatchObject({
      url: '/v1/resources/role?x=a%20b',
      body: '{"a":1}',
      headers: { 'postern-command-id': 'c-1' },
    });
    expect(Object.keys(call!.headers).toSorted()).toEqual([
      'connection',
      'content-length',
      'content-type',
      'host',
      'postern-assertion',
      'postern-command-id',
      'postern-request-id',
    ]);
    const { certificate, principal } = rig.edgeHeld.current();
    const peer = { certificate: readCertificate(certificate), principal };
    const caller = await verifyAssertion(String(call!.headers['postern-assertion']), {
      peer,
      audience: 'resource-svc',
      at: new Date(),
    });
    expect(caller).toMatchObject({ principal: { type: 'user', id: 'alice' }, sourceIp: '127.0.0.1' });
  });

  test('signs who is calling by the identity that it has when it sends the call', async () => {
    calls.length = 0;
    const socket = await dial(rig, rig.alice);
    const head =
      'POST /v1/resources/role HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\nContent-Length: 2\r\n';
    let text = '';
    socket.on('data', (chunk) => (text += String(chunk)));
    socket.write(`${head}Expect: 100-continue\r\n\r\n`);
    await until(() => text.includes('100 Continue'), 'the edge waits for the body');
    const renewed = (await rig.pki.held('edge-1', ['Proxy', 'Kube'])).current();
    rig.edgeHeld.replace(renewed);
    socket.write('{}');
    await until(() => text.includes('201 Created'), 'the call is answered');
    socket.destroy();
    const peer = { certificate: readCertificate(renewed.certificate), principal: renewed.principal };
    const options = { peer, audience: 'resource-svc', at: new Date() } as const;
    const token = String(calls[0]!.headers['postern-assertion']);
    expect((await verifyAssertion(token, options)).principal).toMatchObject({ id: 'alice' });
  });

  test('forwards a join of nobody', async () => {
    calls.length = 0;
    const answer = await raw(
      rig,
      undefined,
      'POST /v1/join HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
      150,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 201 /);
    expect(calls).toHaveLength(1);
  });

  test('refuses an API body over the limit, announced or not', async () => {
    calls.length = 0;
    const big = 'x'.repeat(1_100_000);
    const announced = `POST /v1/join HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\nContent-Length: ${big.length}\r\n\r\n${big}`;
    const chunked = `POST /v1/join HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${big.length.toString(16)}\r\n${big}\r\n0\r\n\r\n`;
    for (const bytes of [announced, chunked])
      expect(await raw(rig, undefined, bytes, 150)).toMatch(/^(?:HTTP\/1\.1 (?:413|429) |$)/);
    expect(calls).toHaveLength(0);
  });

  test('says that a service is away', async () => {
    const answer = await raw(rig, rig.alice, get('/v1/inventory/agents'), 100);
    expect(answer).toMatch(/^HTTP\/1\.1 503 /);
    expect(bodyOf(answer)).toMatchObject({ code: 'edge.service_unavailable', status: 503 });
  });

  test('lets nothing of HTTP/2 become more than one header (S-07)', async () => {
    rig.echo.seen.length = 0;
    const session = connectHttp2(`https://127.0.0.1:${rig.port}`, {
      ca: rig.pki.host.certificate,
      ...rig.alice,
      checkServerIdentity: () => undefined,
    });
    const ask = (headers: Record<string, string>) =>
      new Promise<number>((resolve) => {
        try {
          const stream = session.request({ ':path': at('c1', '/api/v1/pods'), ...headers });
          stream
            .on('response', ({ ':status': status }) => resolve(status ?? 0))
            .on('error', () => resolve(0))
            .on('close', () => resolve(0))
            .resume();
        } catch {
          resolve(0);
        }
      });
    const path = at('c1', '/api/v1/pods');
    expect(await ask({})).toBe(200);
    expect(await ask({ ':path': `${path} HTTP/1.1\r\nX: y` })).not.toBe(200);
    expect(await ask({ ':path': `${path}\tx` })).not.toBe(200);
    expect(await ask({ ':method': 'GET / HTTP/1.1' })).not.toBe(200);
    // nghttp2 drops a header whose value could not be one; the request goes on without it.
    await ask({ 'user-agent': 'a\r\nImpersonate-Group: system:masters' });
    expect(await ask({ 'transfer-encoding': 'chunked' })).not.toBe(200);
    expect(await ask({ 'impersonate-group': 'system:masters' })).toBe(403);
    session.destroy();
    expect(rig.echo.seen.map(({ head }) => head).join()).not.toMatch(/masters|X: y/);
    expect(rig.echo.seen.length).toBeLessThanOrEqual(2);
  });

  test('serves others while many connections never finish their handshake (C-12)', async () => {
    const stalled: Socket[] = Array.from({ length: 500 }, () => connectTcp(rig.port, '127.0.0.1'));
    for (const socket of stalled) socket.on('error', () => undefined);
    const started = performance.now();
    const socket = await dial(rig, rig.alice);
    expect(performance.now() - started).toBeLessThan(1000);
    for (const each of [...stalled, socket]) each.destroy();
  });
});

describe('dynamic labels', () => {
  test('come only from programs that the agent allows, and never replace a label (A-05, K-09)', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'postern-labels-'));
    const allowed = join(dir, 'allowed');
    const forbidden = join(dir, 'forbidden');
    for (const file of [allowed, forbidden])
      writeFileSync(file, `#!/bin/sh\necho "  $1 $HOME;x  "\ntouch ${file}.ran\n`);
    chmodSync(allowed, 0o755);
    chmodSync(forbidden, 0o755);
    const rig = await startEchoRig({ allowedCommands: [allowed] });
    const spec = {
      dynamic_labels: {
        region: { period: '1h', command: [allowed, 'eu'] },
        env: { period: '1h', command: [allowed, 'open'] },
        'teleport.dev/origin': { period: '1h', command: [allowed, 'x'] },
        evil: { period: '1h', command: [forbidden] },
        relative: { period: '1h', command: ['allowed'] },
      },
    };
    rig.kubeconfigs.set('c3', Buffer.from(echoKubeconfig(rig.echo)).toString('base64'));
    rig.resources.put({
      kind: 'kube_cluster',
      version: 'v3',
      metadata: { name: 'c3', labels: { env: 'prod' } },
      spec,
    });
    const labels = () => rig.kube.role.clusters.report().find(({ name }) => name === 'c3')?.labels;
    await until(() => labels()?.['region'] !== undefined, 'a dynamic label');
    expect(labels()).toEqual({ region: 'eu _x', env: 'prod' });
    await rig[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true });
  });
});

describe('a cluster', () => {
  test.each([
    'https://169.254.169.254',
    'https://[fe80::1]',
    'https://[::ffff:169.254.169.254]:6443',
    'http://10.0.0.1',
    'https://metadata.google.internal',
  ])('at %s is never connected to (K-04)', async (server) => {
    const rig = await startEchoRig();
    const kubeconfig = echoKubeconfig(rig.echo).replace(rig.echo.url, server);
    rig.kubeconfigs.set('c4', Buffer.from(kubeconfig).toString('base64'));
    rig.resources.put({ kind: 'kube_cluster', version: 'v3', metadata: { name: 'c4' }, spec: {} });
    await until(
      () =>
        rig.telemetry.lines.some((line) => line.includes('"c4"') && line.includes('cannot be served yet')),
      'a warning',
    );
    expect(rig.kube.role.clusters.has('c4')).toBe(false);
    await rig[Symbol.asyncDispose]();
  });
});
