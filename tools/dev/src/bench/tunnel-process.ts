import http2, { type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type SecureContextOptions, type TLSSocket } from 'node:tls';
import { answerHttp2, answerTunnel, type AskingEnd, askOver, type WireName } from './tunnel-wires.ts';

/** One end of a connection in a process of its own, told by messages what to do. */
export interface TunnelProcessOptions {
  readonly wire: WireName;
  readonly tls: SecureContextOptions;
  /** Where to connect to; without it the process listens. */
  readonly port?: number;
}

/** What it is told. It answers each with what came of it. */
export type Order =
  | { readonly do: 'connect'; readonly times: number }
  | { readonly do: 'ask'; readonly path: string; readonly times: number; readonly atOnce: number }
  | { readonly do: 'hold'; readonly times: number }
  | { readonly do: 'tell' };

/** CPU in microseconds since the start, and memory in bytes: of JavaScript after a collection, and all of it. */
export interface Told {
  readonly cpuUs: number;
  readonly heapBytes: number;
  readonly residentBytes: number;
}

const { wire, tls, port } = JSON.parse(process.argv[2] ?? '{}') as TunnelProcessOptions;
const ends: AskingEnd[] = [];
process.once('disconnect', () => process.exit());
if (port === undefined) process.send!(await listen());
else process.send!(0);
process.on('message', (order: Order) => void obey(order).then((told) => process.send!(told)));

async function obey(order: Order): Promise<Told> {
  if (order.do === 'connect') for (let n = 0; n < order.times; n += 1) ends.push(askOver(wire, await dial()));
  if (order.do === 'hold') for (let n = 0; n < order.times; n += 1) await ends[0]!.hold();
  if (order.do === 'ask') {
    let left = order.times;
    const askAgain = async () => {
      while (left > 0) {
        left -= 1;
        await ends[0]!.ask(order.path);
      }
    };
    await Promise.all(Array.from({ length: order.atOnce }, askAgain));
  }
  return tell();
}

function tell(): Told {
  const { user, system } = process.cpuUsage();
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { cpuUs: user + system, heapBytes: heapUsed + external, residentBytes: rss };
}

function dial(): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const options = {
      ...tls,
      port: port!,
      host: '127.0.0.1',
      ALPNProtocols: [wire === 'http2' ? 'h2' : 'postern-tunnel/1'],
    };
    const socket = connect({ ...options, servername: 'localhost' }, () => resolve(socket.setNoDelay(true)));
    socket.once('error', reject);
  });
}

async function listen(): Promise<number> {
  const settings = { maxConcurrentStreams: 20_000, initialWindowSize: 4 * 1024 * 1024 };
  const h2 = http2.createServer({ settings, maxSessionMemory: 1000 });
  h2.on('stream', (stream, headers) => answerHttp2(stream as ServerHttp2Stream, headers[':path']!));
  const server = createServer({ ...tls, ALPNProtocols: ['h2', 'postern-tunnel/1'] }, (socket) => {
    socket.setNoDelay(true).on('error', () => undefined);
    if (wire === 'http2') h2.emit('connection', socket);
    else answerTunnel(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
