import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { Outbound } from '@postern/agent';
import { connectBus } from '@postern/bus';
import { clientTls } from '@postern/identity';
import { testNats, type TestNats } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dial, raw, rawOn, type Rig, startRig, until } from './support/rig.ts';

const handshake = [
  'GET /v1/bus HTTP/1.1',
  'Host: edge',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
];
const request = (lines: readonly string[] = handshake) => `${lines.join('\r\n')}\r\n\r\n`;

describe('the bus on the public port', () => {
  let nats: TestNats;
  let rig: Rig;
  beforeAll(async () => {
    nats = await testNats({ websocket: true });
    rig = await startRig({ edge: { busServers: [nats.websocketUrl!] } });
  });
  afterAll(async () => {
    await rig[Symbol.asyncDispose]();
    await nats[Symbol.asyncDispose]();
  });

  const certified = async (id: string, roles: string[]) => {
    const { key, certificate: cert } = (await rig.pki.held(id, roles)).current();
    return { key, cert };
  };
  const connect = async (id: string, joinToken?: string) => {
    const held = await rig.pki.held(id, ['Kube'], undefined, joinToken);
    const tls = () => clientTls(held, { expect: { type: 'svc' } });
    return connectBus({
      servers: `wss://127.0.0.1:${rig.port}/v1/bus`,
      name: id,
      connector: new Outbound().connector(tls, 5000),
      patienceMs: 0,
    });
  };

  test('carries messages of agents both ways', async () => {
    await using one = await connect('a1');
    await using two = await connect('a2');
    const heard: unknown[] = [];
    two.subscribe('x', {}, (message) => void heard.push(message.json()));
    await two.flush();
    one.publish('x', { text: 'y'.repeat(300_000) });
    await until(() => heard.length === 1, 'it was heard');
    expect(heard[0]).toEqual({ text: 'y'.repeat(300_000) });
  });

  test.each<[string, number, () => Promise<{ key: string; cert: string } | undefined>]>([
    ['nobody', 401, async () => undefined],
    ['a person', 403, () => rig.pki.person('alice')],
    ['a service', 403, () => certified('svc-1', ['Auth'])],
    ['an edge', 403, () => certified('edge-9', ['Proxy'])],
  ])('is not for %s (C-01)', async (_, status, client) => {
    expect(await raw(rig, await client(), request())).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  });

  test.each([
    ['another method', ['POST /v1/bus HTTP/1.1', ...handshake.slice(1)]],
    ['another version', handshake.map((line) => line.replace('13', '8'))],
    ['no key', handshake.slice(0, -1)],
    ['two keys', [...handshake, handshake.at(-1)!]],
    ['a key that is none', [...handshake.slice(0, -1), 'Sec-WebSocket-Key: short']],
    ['another protocol', handshake.map((line) => line.replace('websocket', 'SPDY/3.1'))],
  ])('refuses a handshake with %s', async (_, lines) => {
    expect(await raw(rig, await certified('a3', ['Kube']), request(lines))).toMatch(/^HTTP\/1.1 400 /);
  });

  test('is four connections of one agent at most, and again fewer when they end', async () => {
    const client = await certified('a4', ['Kube']);
    const open = await Promise.all(Array.from({ length: 4 }, () => dial(rig, client)));
    for (const socket of open) {
      socket.write(request());
      const [answer] = (await once(socket, 'data')) as [Buffer];
      expect(answer.toString('latin1')).toMatch(/^HTTP\/1.1 101 /);
    }
    expect(await raw(rig, client, request())).toMatch(/^HTTP\/1.1 429 /);
    for (const socket of open) socket.destroy();
    await expect.poll(() => raw(rig, client, request()), { timeout: 5000 }).toMatch(/^HTTP\/1.1 101 /);
  });

  test.each([
    ['an agent', { server_id: 'a6' }],
    ['the token by which it joined', { join_token: `sha256:${'ab'.repeat(32)}` }],
  ])('is cut by a lock on %s, and open again when that is gone', async (_, target) => {
    await using locked = await connect('a6', 'ab'.repeat(32));
    await using other = await connect('a7');
    rig.lock('l1', { target });
    await until(() => !locked.isConnected, 'it is cut');
    await expect(connect('a6', 'ab'.repeat(32))).rejects.toThrow();
    await other.flush();
    rig.unlock('l1');
    await using again = await connect('a6', 'ab'.repeat(32));
    await again.flush();
  });

  test('has no other path and is not there where no NATS server is named', async () => {
    const client = await certified('a5', ['Kube']);
    const elsewhere = handshake.map((line) => line.replace('/v1/bus', '/v1/bus/x'));
    expect(await raw(rig, client, request(elsewhere))).toMatch(/^HTTP\/1.1 404 /);
    await using without = await startRig();
    const { key, certificate: cert } = (await without.pki.held('a5', ['Kube'])).current();
    expect(await raw(without, { key, cert }, request())).toMatch(/^HTTP\/1.1 404 /);
  });
});

test('a NATS server is told of an agent what its handshake needs, and nothing else it said (H-16)', async () => {
  const heads: string[] = [];
  const server = createServer((socket) =>
    socket.once('data', (chunk) => {
      heads.push(chunk.toString('latin1'));
      socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n');
    }),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await using rig = await startRig({ edge: { busServers: [`ws://127.0.0.1:${port}`] } });
  const { key, certificate: cert } = (await rig.pki.held('a1', ['Kube'])).current();
  const evil = [
    'Origin: https://evil.example',
    'Cookie: a=b',
    'Sec-WebSocket-Extensions: permessage-deflate',
  ];
  const forged = ['X-Forwarded-For: 10.0.0.1', 'postern-grant: x', 'Sec-WebSocket-Protocol: x'];
  const socket = await dial(rig, { key, cert });
  expect(await rawOn(socket, request([...handshake, ...evil, ...forged]))).toMatch(/^HTTP\/1.1 503 /);
  const [head] = heads;
  expect(head!.toLowerCase().split('\r\n').filter(Boolean).toSorted()).toEqual(
    [
      'get / http/1.1',
      `host: 127.0.0.1:${port}`,
      'connection: upgrade',
      'upgrade: websocket',
      'sec-websocket-version: 13',
      'sec-websocket-key: dghlihnhbxbszsbub25jzq==',
      'x-forwarded-for: 127.0.0.1',
    ].toSorted(),
  );
  await new Promise((resolve) => server.close(resolve));
});
