import { connect, type NatsConnection, type NodeConnectionOptions, wsconnect } from '@nats-io/transport-node';
import { failure } from '@postern/core';
import { Agent, type buildConnector, WebSocket as TlsWebSocket } from 'undici';

/** Addresses of the bus that cannot be used, or not together. */
export const InvalidBusUrl = failure(
  'invalid_argument',
  'bus.invalid_url',
  (why: string) =>
    `the URLs of the bus cannot be used: ${why}; give nats://, tls://, wss:// or, on this machine, ws://`,
);

/** How a server is reached: NATS' own protocol on TCP, or inside a WebSocket; encrypted or not. */
interface Way {
  readonly isWebSocket: boolean;
  readonly isEncrypted: boolean;
}

const ways: Readonly<Record<string, Way>> = {
  'nats:': { isWebSocket: false, isEncrypted: false },
  'tls:': { isWebSocket: false, isEncrypted: true },
  'ws:': { isWebSocket: true, isEncrypted: false },
  'wss:': { isWebSocket: true, isEncrypted: true },
};

/** By what the server is recognised. */
interface Security {
  readonly ca?: string | undefined;
  /** Opens the connection of a WebSocket instead, and sees to it that the right server is at its other end. */
  readonly connector?: buildConnector.connector | undefined;
}

/** The client keeps one kind of transport for all connections of a process, also of those that come back. */
let used: boolean | undefined;

/**
 * Connects to the first server that answers. Where a URL says `tls` or `wss`, or a private authority is given, nothing is told
 * to a server before it has shown a certificate for the name in the URL: its answer to a signed challenge would be of use
 * elsewhere.
 */
export function dial(
  servers: readonly string[],
  options: Omit<NodeConnectionOptions, 'servers' | 'tls'>,
  { ca, connector }: Security,
): Promise<NatsConnection> {
  const { isWebSocket, isEncrypted } = wayTo(servers);
  if (used !== undefined && used !== isWebSocket)
    throw InvalidBusUrl('this process has a connection of another kind');
  used = isWebSocket;
  if (isWebSocket)
    return wsconnect({
      ...options,
      servers: [...servers],
      ...webSocket(connector ?? (ca === undefined ? {} : { ca })),
    });
  const tls = isEncrypted || ca !== undefined ? { tls: ca === undefined ? {} : { ca } } : {};
  return connect({ ...options, servers: [...servers], ...tls });
}

/** The one way to all of these servers. */
export function wayTo(servers: readonly string[]): Way {
  const [first, ...others] = servers.map(wayOf);
  if (first === undefined) throw InvalidBusUrl('there is none');
  const isSame = (way: Way) => way.isWebSocket === first.isWebSocket && way.isEncrypted === first.isEncrypted;
  if (!others.every(isSame)) throw InvalidBusUrl('they are of different kinds');
  return first;
}

function wayOf(server: string): Way {
  const url = URL.parse(server.includes('://') ? server : `nats://${server}`);
  const way = url ? ways[url.protocol] : undefined;
  if (!url || !way) throw InvalidBusUrl('one of them is of no known kind');
  // A WebSocket that is not encrypted passes through whatever proxies there are.
  if (url.protocol === 'ws:' && !isLoopback(url.hostname))
    throw InvalidBusUrl('ws:// leads to another machine');
  return way;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host);
}

function webSocket(connect: NonNullable<Agent.Options['connect']>) {
  // The global WebSocket trusts public authorities only.
  const dispatcher = new Agent({ connect });
  return {
    // What a server gossips are addresses of another listener.
    ignoreClusterUpdates: true,
    wsFactory: (url: string) => {
      const socket = new TlsWebSocket(url, { dispatcher });
      return Promise.resolve({
        socket,
        encrypted: url.startsWith('wss://'),
      });
    },
  };
}
