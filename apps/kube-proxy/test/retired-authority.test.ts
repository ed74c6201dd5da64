import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { systemClock } from '@postern/core';
import { clientTls, HeldIdentity, type IdentityMaterial } from '@postern/identity';
import { tunnelProtocol } from '@postern/tunnel';
import { afterEach, expect, test } from 'vitest';
import type { Exchange } from '../src/listen/exchange.ts';
import type { Peer } from '../src/listen/peer.ts';
import { defaultLimits, TlsFront } from '../src/listen/tls-front.ts';
import { clusterName, createPki, type Pki } from './support/identities.ts';
import { until } from './support/rig.ts';

const scope = new AsyncDisposableStack();
afterEach(() => scope.disposeAsync());

function trusting(held: HeldIdentity, ...authorities: readonly Pki[]): IdentityMaterial {
  const { key, certificate } = held.current();
  const bundle = (use: 'host' | 'user') => authorities.map((pki) => pki[use].certificate).join('');
  return { key, certificate, hostCa: bundle('host'), userCa: bundle('user'), clusterName };
}

interface Client {
  readonly socket: TLSSocket;
  readonly isClosed: () => boolean;
}

async function open(port: number, tls: object, protocol: string): Promise<Client> {
  const socket = connect({
    host: '127.0.0.1',
    port,
    ...tls,
    rejectUnauthorized: false,
    ALPNProtocols: [protocol],
  });
  socket.resume();
  let closed = false;
  socket.on('error', () => undefined);
  socket.once('close', () => (closed = true));
  await once(socket, 'secureConnect');
  scope.defer(() => void socket.destroy());
  return { socket, isClosed: () => closed };
}

test('an edge puts out whoever is of an authority that is trusted no more, tunnels too, and nobody else (C-13)', async () => {
  const [before, after] = [await createPki(), await createPki()];
  const edge = new HeldIdentity(trusting(await after.held('edge-1', ['Proxy']), before, after));
  const asked: Peer[] = [];
  let tunnels = 0;
  const handlers = {
    request: ({ peer }: Exchange) => void asked.push(peer),
    upgrade: () => undefined,
    tunnel: () => void (tunnels += 1),
  };
  const options = { held: edge, clock: systemClock, clients: 'all', limits: defaultLimits } as const;
  const front = scope.use(new TlsFront(options, handlers));
  const { port } = await front.listen({ host: '127.0.0.1', port: 0 });
  const agentOf = async (pki: Pki) => clientTls(await pki.held('agent-1', ['Kube']), {});
  const old = [
    await open(port, await before.person('alice'), 'http/1.1'),
    await open(port, await before.person('alice'), 'h2'),
    await open(port, await agentOf(before), tunnelProtocol),
  ];
  const current = [
    await open(port, await after.person('alice'), 'http/1.1'),
    await open(port, await agentOf(after), tunnelProtocol),
    await open(port, {}, 'http/1.1'),
  ];
  // A request under way is put out as well.
  old[0]!.socket.write('GET /api HTTP/1.1\r\nhost: edge\r\n\r\n');
  await until(() => asked.length === 1 && tunnels === 2, 'the connections are there');

  edge.replace(trusting(edge, after));
  await until(() => old.every(({ isClosed }) => isClosed()), 'they are put out', 2_000);
  expect(current.map(({ isClosed }) => isClosed())).toEqual([false, false, false]);
  const late = await open(port, await before.person('alice'), 'http/1.1');
  late.socket.write('GET /api HTTP/1.1\r\nhost: edge\r\n\r\n');
  await until(() => asked.length === 2, 'the request of who is refused');
  expect(asked[0]?.principal?.id).toBe('alice');
  expect(asked[1]).toMatchObject({ principal: undefined, refusal: { code: 'kube.certificate_refused' } });
});
