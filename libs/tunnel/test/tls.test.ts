import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer as createTcp, type Socket } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { systemClock } from '@postern/core';
import { createAuthority, generateKeyPair, issueCertificate } from '@postern/identity';
import { until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type StreamEvents, Tunnel, tunnelProtocol, type TunnelStream } from '../src/index.ts';
import { get, Heard, ok } from './support/tunnels.ts';

const MiB = 1024 * 1024;
const bulkBytes = 200 * MiB;
const block = randomBytes(MiB);

let tls: { key: string; cert: string; ca: string };
const scope = new AsyncDisposableStack();

beforeAll(async () => {
  const authority = await createAuthority({ use: 'host', clusterName: 'postern', clock: systemClock });
  const { privateKey, publicKey } = await generateKeyPair();
  const notAfter = new Date(Date.now() + 3_600_000);
  const spec = { type: 'svc', id: 'edge-1', roles: ['Proxy'], publicKey, generation: 1, notAfter } as const;
  const cert = await issueCertificate(authority, { ...spec, dnsNames: ['localhost'] });
  tls = { key: privateKey, cert, ca: authority.certificate };
});
afterAll(() => scope.disposeAsync());

/** A TCP relay in front of the port that can be told to pass nothing more on, without closing anything. */
async function openRelay(port: number): Promise<{ readonly port: number; freeze(): void }> {
  const sockets: Socket[] = [];
  const relay = createTcp((near) => {
    const far = connectTcp(port, '127.0.0.1');
    sockets.push(near, far);
    for (const socket of [near, far])
      socket.on('error', () => undefined).on('close', () => (near.destroy(), far.destroy()));
    near.pipe(far).pipe(near);
  });
  await once(relay.listen(0, '127.0.0.1'), 'listening');
  scope.defer(() => {
    for (const socket of sockets) socket.destroy();
    relay.close();
  });
  return {
    port: (relay.address() as AddressInfo).port,
    freeze: () => sockets.forEach((socket) => socket.unpipe().pause()),
  };
}

/** An agent that dialled an edge over TLS, maybe through a relay. Answers by path. */
async function dialled(pingIntervalMs?: number) {
  const report = (error: unknown) => {
    throw error;
  };
  const ping = pingIntervalMs === undefined ? {} : { pingIntervalMs };
  const server = createServer({ ...tls, ALPNProtocols: [tunnelProtocol] });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  scope.defer(() => void server.close());
  const relay = await openRelay((server.address() as AddressInfo).port);
  const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>;
  const socket = connect({
    port: relay.port,
    host: '127.0.0.1',
    ca: tls.ca,
    servername: 'localhost',
    ALPNProtocols: [tunnelProtocol],
  });
  await once(socket, 'secureConnect');
  expect(socket.alpnProtocol).toBe(tunnelProtocol);
  const accept = (stream: TunnelStream, { path }: { path: string }) => answerBy(stream, path);
  const agent = scope.use(new Tunnel(socket, { side: 'dialer', accept, report, ...ping }));
  const edge = scope.use(new Tunnel((await accepted)[0], { side: 'listener', report, ...ping }));
  return { agent, edge, relay };
}

/** `/bulk` takes bulk data and sends as much, then the digest of what it took; `/watch` repeats what it is told. */
function answerBy(stream: TunnelStream, path: string): StreamEvents {
  stream.answer(ok);
  const sending = path === '/bulk' ? sendBulk(stream) : undefined;
  const hash = createHash('sha256');
  return {
    data: (chunk) => (sending ? void hash.update(chunk) : void stream.write(Buffer.from(chunk))),
    end: () => (sending ? sending.finish(hash.digest()) : stream.end()),
    reset: () => undefined,
    drain: () => sending?.goOn(),
  };
}

/** Sends the bulk at the pace of the peer, and when that is done and `finish` was called the digest that it is given. */
function sendBulk(stream: TunnelStream): { goOn(): void; finish(digest: Buffer): void } {
  let sent = 0;
  let digest: Buffer | undefined;
  const endWhenDone = () => {
    if (sent !== bulkBytes || digest === undefined) return;
    stream.end(digest);
    // That there is room again may be told after the end, too.
    digest = undefined;
  };
  const goOn = () => {
    while (sent < bulkBytes) {
      sent += block.length;
      if (!stream.write(block)) return;
    }
    endWhenDone();
  };
  setImmediate(goOn);
  return {
    goOn,
    finish(value) {
      digest = value;
      endWhenDone();
    },
  };
}

function expectedDigest(): string {
  const hash = createHash('sha256');
  for (let at = 0; at < bulkBytes; at += block.length) hash.update(block);
  return hash.digest('hex');
}

describe('a tunnel over TLS', () => {
  test('carries 200 MB both ways unharmed, beside a watch that is told everything', async () => {
    const { edge } = await dialled();
    const watch = new Heard();
    const watching = edge.open({ ...get, path: '/watch' }, watch);
    const hash = createHash('sha256');
    let received = 0;
    let tail = Buffer.alloc(0);
    let events = 0;
    let sending: ReturnType<typeof sendBulk> | undefined;
    const done = new Promise<void>((resolve, reject) => {
      const stream = edge.open(
        { ...get, path: '/bulk' },
        {
          data(chunk) {
            const ofBulk = Math.min(chunk.length, bulkBytes - received);
            hash.update(chunk.subarray(0, ofBulk));
            received += ofBulk;
            if (ofBulk < chunk.length) tail = Buffer.concat([tail, chunk.subarray(ofBulk)]);
            for (; events < received / MiB - 1; events += 1) watching.write(Buffer.from(`event ${events};`));
          },
          end: resolve,
          reset: reject,
          drain: () => sending?.goOn(),
        },
      );
      sending = sendBulk(stream);
      sending.finish(Buffer.alloc(0));
    });
    await done;
    expect([received, hash.digest('hex'), tail.toString('hex')]).toEqual([
      bulkBytes,
      expectedDigest(),
      expectedDigest(),
    ]);
    const said = Array.from({ length: events }, (_, n) => `event ${n};`).join('');
    await until('the watch heard all', () => watch.length === said.length);
    expect(watch.text).toBe(said);
    expect(events).toBeGreaterThan(100);
  });

  test('that is half open is given up at both ends (W-11)', async () => {
    const { edge, agent, relay } = await dialled(100);
    const heard = new Heard();
    edge.open({ ...get, path: '/watch' }, heard);
    await until('it is answered', () => heard.head !== undefined);
    relay.freeze();
    expect((await edge.closed)?.code).toBe('tunnel.silent');
    // The end that notices later may find the connection reset already.
    expect(['tunnel.silent', 'tunnel.lost']).toContain((await agent.closed)?.code);
    expect(heard.error?.code).toBe('tunnel.silent');
  });

  test('drains and closes without an error at both ends', async () => {
    const { edge, agent } = await dialled();
    const heard = new Heard();
    const stream = edge.open({ ...get, path: '/watch' }, heard);
    await until('it is answered', () => heard.head !== undefined);
    agent.drain();
    stream.end(Buffer.from('last words'));
    expect(await Promise.all([edge.closed, agent.closed])).toEqual([undefined, undefined]);
    expect(heard.log).toEqual(['answer 200', 'data', 'end']);
    expect(heard.text).toBe('last words');
  });
});
