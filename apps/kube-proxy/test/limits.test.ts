import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { okJson } from './support/echo-api-server.ts';
import { at, dial, everythingAllowed, raw, rawOn, startEchoRig, until } from './support/rig.ts';

type EchoRig = Awaited<ReturnType<typeof startEchoRig>>;

const pods = at('c1', '/api/v1/namespaces/dev/pods');
const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nHost: edge\r\n${headers}\r\n`;
const exec = (headers = '') =>
  get(
    `${pods}/web-1/exec?command=ls`,
    `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n${headers}`,
  );
const switching =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n';
const statusOf = (answer: string) => JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4)) as object;

describe('one user', () => {
  let rig: EchoRig;
  const open: Socket[] = [];
  beforeAll(async () => {
    const userLimits = { requestsPerSecond: 0, open: 4, openPerCluster: 3, sessions: 2 };
    rig = await startEchoRig({ edge: { userLimits } });
    rig.role('one', { allow: { ...everythingAllowed, kubernetes_groups: ['viewers'] } });
    rig.user('bob', ['viewer']);
  });
  afterAll(() => rig[Symbol.asyncDispose]());
  beforeEach(() => {
    rig.echo.respond = okJson({ kind: 'PodList', items: [] });
  });
  afterEach(async () => {
    for (const socket of open.splice(0)) socket.destroy();
    await until(() => rig.edge.role.open.size === 0, 'nothing is open');
  });

  /** Opens a stream that stays. */
  const hold = async (bytes: string) => {
    const size = rig.edge.role.open.size;
    const socket = await dial(rig, rig.alice);
    socket.on('error', () => undefined);
    open.push(socket);
    socket.write(bytes);
    await until(() => rig.edge.role.open.size > size, 'it is under way');
  };

  test('has so many watches in a cluster, and the next one is told to wait (X-06)', async () => {
    rig.echo.respond = (_, socket) =>
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n');
    for (let count = 0; count < 3; count += 1) await hold(get(`${pods}?watch=1`));
    const answer = await raw(rig, rig.alice, get(`${pods}?watch=1`), 100);
    expect(answer).toMatch(/^HTTP\/1\.1 429 [^]*retry-after: 1\r\n/i);
    expect(statusOf(answer)).toMatchObject({
      reason: 'TooManyRequests',
      code: 429,
      message: expect.stringMatching(/user "alice" are under way in cluster "c1" \(max=3\)/),
    });
    rig.echo.respond = okJson({ kind: 'PodList', items: [] });
    expect(await raw(rig, await rig.pki.person('bob'), get(pods), 50)).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('has so many sessions, and fewer when a role says so (X-08)', async () => {
    rig.echo.respond = (_, socket) => socket.write(switching);
    await hold(exec());
    await hold(exec());
    const third = await raw(rig, rig.alice, exec(), 100);
    expect(third).toMatch(/^HTTP\/1\.1 429 [^]*retry-after: 1\r\n/i);
    expect(third).toContain('too many concurrent kubernetes connections for user \\"alice\\" (max=2)');
    rig.role('one-session', { options: { max_kubernetes_connections: 1 } });
    rig.user('alice', ['viewer', 'one-session']);
    open[0]!.destroy();
    await until(() => rig.edge.role.open.size === 1, 'one has ended');
    expect(await raw(rig, rig.alice, exec(), 100)).toContain('(max=1)');
    rig.user('alice', ['viewer']);
  });

  test('that opens and drops hundreds of streams leaves nothing behind (X-08, X-11)', async () => {
    rig.echo.respond = (_, socket) => socket.write(switching);
    for (let round = 0; round < 40; round += 1) {
      const sockets = await Promise.all(Array.from({ length: 5 }, () => dial(rig, rig.alice)));
      for (const socket of sockets) {
        socket.on('error', () => undefined);
        socket.write(round % 2 === 0 ? exec() : get(`${pods}/web-1`));
        setImmediate(() => socket.destroy());
      }
    }
    await until(() => rig.edge.role.open.size === 0, 'nothing is open');
    rig.echo.respond = okJson({ kind: 'Pod' });
    expect(await raw(rig, rig.alice, get(`${pods}/web-1`), 50)).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe('a client', () => {
  let rig: EchoRig;
  beforeAll(async () => {
    rig = await startEchoRig({
      edge: {
        userLimits: { requestsPerSecond: 20 },
        limits: { handshakeMs: 300, headersMs: 400 },
      },
    });
    rig.user('fast', ['viewer']);
  });
  afterAll(() => rig[Symbol.asyncDispose]());
  beforeEach(() => {
    rig.echo.seen.length = 0;
    rig.echo.respond = okJson({ kind: 'PodList', items: [] });
  });

  test('that asks too often is told how long to wait, and others are not', async () => {
    const fast = await rig.pki.person('fast');
    const answers = await raw(rig, fast, get(pods).repeat(60), 300);
    const statuses = [...answers.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => status);
    expect(new Set(statuses)).toEqual(new Set(['200', '429']));
    expect(statuses.filter((status) => status === '200').length).toBeGreaterThanOrEqual(40);
    expect(answers).toMatch(/retry-after: 1\r\n/i);
    expect(answers).toContain('too many requests of user \\"fast\\": at most 20 per second');
    expect(await raw(rig, rig.alice, get(pods), 50)).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('that sends its handshake or its headers slowly is cut, while others are served (X-01, C-12)', async () => {
    const slow = await Promise.all(Array.from({ length: 20 }, () => dial(rig, rig.alice)));
    const stalled = Array.from({ length: 20 }, () => connectTcp(rig.port, '127.0.0.1'));
    const closed = [...slow, ...stalled].map(
      (socket) =>
        new Promise((resolve) => {
          socket.on('error', () => undefined).once('close', resolve);
          socket.resume();
        }),
    );
    for (const socket of slow) socket.write(`GET ${pods} HTTP/1.1\r\nHost: edge\r\nX-Slow: `);
    expect(await raw(rig, rig.alice, get(pods), 50)).toMatch(/^HTTP\/1\.1 200 /);
    await Promise.all(closed);
    expect(rig.echo.seen).toHaveLength(1);
  });

  test.each(['gzip', 'deflate', 'br', 'gzip, gzip', 'x'])(
    'that sends a body with content-encoding %s is refused with 415 (X-04)',
    async (encoding) => {
      const post = `POST ${pods} HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\nContent-Encoding: ${encoding}\r\nContent-Length: 2\r\n\r\n{}`;
      const answer = await raw(rig, rig.alice, post, 50);
      expect(answer).toMatch(/^HTTP\/1\.1 415 /);
      expect(answer).toContain('UnsupportedMediaType');
      expect(rig.echo.seen).toHaveLength(0);
    },
  );

  test.each(['/v1/join', '/v1/resources/role', '/webapi/ping', '/healthz', '/nothing', pods])(
    'of nobody that sends a body without end to %s is not read to the end (X-03)',
    async (path) => {
      const socket = await dial(rig);
      const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
      const closed = new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve));
      socket.resume();
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
      );
      const pump = () => {
        while (!socket.destroyed) {
          if (!socket.write(chunk)) {
            socket.once('drain', pump);
            return;
          }
        }
      };
      pump();
      await closed;
      expect(rig.echo.seen).toHaveLength(0);
      expect(await raw(rig, undefined, get('/healthz'), 50)).toMatch(/^HTTP\/1\.1 200 /);
    },
  );

  test('that sends a body too large for a name to be found in is refused with 413 (X-03)', async () => {
    rig.role('named', {
      allow: {
        kubernetes_labels: { '*': '*' },
        kubernetes_groups: ['viewers'],
        kubernetes_resources: [
          { kind: 'pods', api_group: '', namespace: 'dev', name: 'web-*', verbs: ['*'] },
        ],
      },
    });
    rig.user('namer', ['named']);
    const size = 4 * 1024 * 1024;
    const head = `POST ${pods} HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\nContent-Length: ${size}\r\n\r\n`;
    const answer = await raw(rig, await rig.pki.person('namer'), head + ' '.repeat(size), 300);
    expect(answer).toMatch(/^(?:HTTP\/1\.1 413 |$)/);
    expect(rig.echo.seen).toHaveLength(0);
  });

  test('that sends garbage at any layer ends its own connection and nothing else (X-09)', async () => {
    let seed = 9;
    const byte = () => ((seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff) >>> 16) & 0xff;
    const bytes = (length: number) => Buffer.from(Array.from({ length }, byte));
    for (let round = 0; round < 40; round += 1) {
      const plain = connectTcp(rig.port, '127.0.0.1').on('error', () => undefined);
      plain.end(bytes(50 + round));
      const socket = await dial(rig, rig.alice);
      await rawOn(
        socket,
        round % 2 === 0
          ? bytes(200)
          : Buffer.concat([Buffer.from(get(pods).slice(0, 30 + round)), bytes(60)]),
        5,
      );
    }
    expect(await raw(rig, await rig.pki.person('namer'), get('/healthz'), 50)).toMatch(/^HTTP\/1\.1 200 /);
    expect(rig.telemetry.lines.filter((line) => line.includes('failed unexpectedly'))).toEqual([]);
  });

  test('that opens and resets thousands of HTTP/2 streams does not stop others (X-02)', async () => {
    const session = connectHttp2(`https://127.0.0.1:${rig.port}`, {
      ca: rig.pki.host.certificate,
      ...rig.alice,
      checkServerIdentity: () => undefined,
    });
    session.on('error', () => undefined);
    for (let count = 0; count < 3000 && !session.closed; count += 1) {
      const stream = session.request({ ':path': pods });
      stream.on('error', () => undefined);
      stream.close(8);
    }
    let answer = '';
    for (let tries = 0; tries < 5 && answer === ''; tries += 1)
      answer = await raw(rig, undefined, get('/healthz'), 1000);
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    session.destroy();
    await until(() => rig.edge.role.open.size === 0, 'nothing is open');
  });
});
