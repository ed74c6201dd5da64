import { connect, type TLSSocket } from 'node:tls';
import { systemClock } from '@postern/core';
import type { Exchange } from '../../src/listen/exchange.ts';
import {
  defaultLimits,
  type FrontLimits,
  TlsFront,
  type UpgradeExchange,
} from '../../src/listen/tls-front.ts';
import { createPki, type Pki } from './identities.ts';
import { until } from './rig.ts';

/** A listener without anything behind it: requests wait to be answered by the test. */
export interface FrontRig extends AsyncDisposable {
  readonly front: TlsFront;
  readonly port: number;
  readonly pki: Pki;
  readonly requests: Exchange[];
  readonly upgrades: UpgradeExchange[];
  /** A connection of alice that speaks nothing by itself, and all that came back on it. */
  dial(): Promise<{ readonly socket: TLSSocket; readonly got: () => string }>;
  /** The next request that comes. */
  next(): Promise<Exchange>;
}

export async function startFront(limits: Partial<FrontLimits> = {}): Promise<FrontRig> {
  const pki = await createPki();
  const requests: Exchange[] = [];
  const upgrades: UpgradeExchange[] = [];
  const front = new TlsFront(
    {
      held: await pki.held('e1', ['Proxy']),
      clock: systemClock,
      clients: 'all',
      limits: { ...defaultLimits, ...limits },
    },
    {
      request: (exchange) => void requests.push(exchange),
      upgrade: (exchange) => void upgrades.push(exchange),
      tunnel: () => {
        throw new Error('nobody comes here');
      },
    },
  );
  const { port } = await front.listen({ host: '127.0.0.1', port: 0 });
  const alice = await pki.person('alice');
  return {
    front,
    port,
    pki,
    requests,
    upgrades,
    dial: () =>
      new Promise((resolve, reject) => {
        let text = '';
        const options = { host: '127.0.0.1', port, ca: pki.host.certificate, ALPNProtocols: ['http/1.1'] };
        const socket = connect({ ...options, ...alice, checkServerIdentity: () => undefined });
        socket.once('secureConnect', () => resolve({ socket, got: () => text }));
        socket.once('error', reject).on('error', () => undefined);
        socket.on('data', (chunk) => (text += chunk.toString('latin1')));
      }),
    next: async () => {
      await until(() => requests.length > 0, 'a request is there');
      return requests.shift()!;
    },
    [Symbol.asyncDispose]: () => front[Symbol.asyncDispose](),
  };
}
