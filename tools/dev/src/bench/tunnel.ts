import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@postern/core';
import { createAuthority, generateKeyPair, issueCertificate } from '@postern/identity';
import type { Measured } from './table.ts';
import type { Order, Told, TunnelProcessOptions } from './tunnel-process.ts';
import type { WireName } from './tunnel-wires.ts';

const requests = 40_000;
const atOnce = [1, 32] as const;
const bulkBytes = 512 * 1024 * 1024;
const idleStreams = 10_000;
const idleTunnels = 300;

type Tls = TunnelProcessOptions['tls'];

/** What a request, bulk data, an idle stream and an idle connection cost at both ends, beside HTTP/2 of Node. */
export async function benchTunnel(_folder: string, scope: AsyncDisposableStack): Promise<Measured[]> {
  const tls = await certified();
  const rows: Measured[] = [];
  for (const wire of ['tunnel', 'http2'] as const) rows.push(...(await benchWire(wire, tls, scope)));
  return rows;
}

async function benchWire(wire: WireName, tls: Tls, scope: AsyncDisposableStack): Promise<Measured[]> {
  const pair = await EndPair.start({ wire, tls }, scope);
  const rows: Measured[] = [];
  const row = (path: string, figure: string) => void rows.push({ path: `${wire}: ${path}`, figure });
  await pair.both({ do: 'connect', times: 1 });
  await pair.both({ do: 'ask', path: '/answer', times: 5000, atOnce: 32 });
  for (const many of atOnce) {
    const { asking, answering } = await pair.both({
      do: 'ask',
      path: '/answer',
      times: requests,
      atOnce: many,
    });
    const [a, b] = [asking.cpuUs / requests, answering.cpuUs / requests];
    row(
      `2 kB answer, ${many} at once, CPU of the edge and of the agent`,
      `${a.toFixed(1)} + ${b.toFixed(1)} µs`,
    );
  }
  const path = `/bulk/${bulkBytes}`;
  const bulk = await pair.both({ do: 'ask', path, times: 1, atOnce: 1 });
  row('one bulk stream, CPU of both', perCpuSecond(bulk, bulkBytes));
  const four = await pair.both({ do: 'ask', path: `/bulk/${bulkBytes / 4}`, times: 4, atOnce: 4 });
  row('four bulk streams, CPU of both', perCpuSecond(four, bulkBytes));
  row(
    'idle stream, memory of the edge and of the agent',
    memoryEach(await pair.both({ do: 'hold', times: idleStreams }), idleStreams),
  );
  const fresh = await EndPair.start({ wire, tls }, scope);
  await fresh.both({ do: 'connect', times: 20 });
  row(
    'idle connection with its TLS, memory of the edge and of the agent',
    memoryEach(await fresh.both({ do: 'connect', times: idleTunnels }), idleTunnels),
  );
  return rows;
}

interface Both {
  readonly asking: Told;
  readonly answering: Told;
}

function perCpuSecond({ asking, answering }: Both, bytes: number): string {
  const seconds = (asking.cpuUs + answering.cpuUs) / 1e6;
  return `${(bytes / 1e6 / seconds).toFixed(0)} MB per CPU-second`;
}

function memoryEach({ asking, answering }: Both, count: number): string {
  const of = ({ heapBytes, residentBytes }: Told) =>
    `${(heapBytes / count / 1000).toFixed(2)} (resident ${(residentBytes / count / 1000).toFixed(2)})`;
  return `${of(asking)} + ${of(answering)} kB`;
}

/** Two processes, one connection or many between them. */
class EndPair {
  readonly #asking: End;
  readonly #answering: End;

  private constructor(asking: End, answering: End) {
    this.#asking = asking;
    this.#answering = answering;
  }

  static async start(options: TunnelProcessOptions, scope: AsyncDisposableStack): Promise<EndPair> {
    const answering = await End.start(options, scope);
    const asking = await End.start({ ...options, port: answering.port }, scope);
    return new EndPair(asking, answering);
  }

  /** Has the asking end do something; returns what that changed at both. */
  async both(order: Order): Promise<Both> {
    const before = [
      await this.#asking.obey({ do: 'tell' }),
      await this.#answering.obey({ do: 'tell' }),
    ] as const;
    const asking = await this.#asking.obey(order);
    const answering = await this.#answering.obey({ do: 'tell' });
    return { asking: difference(asking, before[0]), answering: difference(answering, before[1]) };
  }
}

function difference(after: Told, before: Told): Told {
  return {
    cpuUs: after.cpuUs - before.cpuUs,
    heapBytes: after.heapBytes - before.heapBytes,
    residentBytes: after.residentBytes - before.residentBytes,
  };
}

class End {
  readonly #child: ReturnType<typeof fork>;
  readonly port: number;

  private constructor(child: ReturnType<typeof fork>, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(options: TunnelProcessOptions, scope: AsyncDisposableStack): Promise<End> {
    const program = fileURLToPath(new URL('tunnel-process.ts', import.meta.url));
    const child = fork(program, [JSON.stringify(options)], { execArgv: ['--expose-gc'] });
    scope.defer(() => void child.kill());
    const [port] = (await once(child, 'message')) as [number];
    return new End(child, port);
  }

  async obey(order: Order): Promise<Told> {
    const answered = once(this.#child, 'message');
    this.#child.send(order);
    const [told] = (await answered) as [Told];
    return told;
  }
}

async function certified(): Promise<Tls> {
  const authority = await createAuthority({ use: 'host', clusterName: 'bench', clock: systemClock });
  const { privateKey, publicKey } = await generateKeyPair();
  const cert = await issueCertificate(authority, {
    type: 'svc',
    id: 'bench',
    roles: ['Proxy'],
    publicKey,
    generation: 1,
    notAfter: new Date(Date.now() + 3_600_000),
    dnsNames: ['localhost'],
  });
  return { key: privateKey, cert, ca: authority.certificate };
}
