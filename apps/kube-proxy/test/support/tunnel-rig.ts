import { type Destination, Outbound } from '@postern/agent';
import { systemClock } from '@postern/core';
import type { HeldIdentity } from '@postern/identity';
import { PolicyTables } from '@postern/policy';
import { silentTelemetry } from '@postern/telemetry';
import type { OpenHead, StreamEvents, TunnelStream } from '@postern/tunnel';
import { acceptStream } from '../../src/agent/tunnels/accept-stream.ts';
import { TunnelKeeper, type TunnelKeeperOptions } from '../../src/agent/tunnels/tunnel-keeper.ts';
import { EdgeTunnels } from '../../src/edge/tunnels/edge-tunnels.ts';
import type { Exchange } from '../../src/listen/exchange.ts';
import { defaultLimits, TlsFront } from '../../src/listen/tls-front.ts';
import { createPki, type Pki } from './identities.ts';
import { MemoryBus } from './memory-bus.ts';

/** An edge without anything but its tunnels, on a port of its own. */
export interface TestEdge extends AsyncDisposable {
  readonly id: string;
  readonly port: number;
  readonly tunnels: EdgeTunnels;
  readonly held: HeldIdentity;
  /** Settles when it has heard of the other edges. */
  readonly hasHeard: Promise<void>;
}

/** An agent without clusters, which answers what it was asked. */
export interface TestAgent extends AsyncDisposable {
  readonly id: string;
  readonly held: HeldIdentity;
  readonly keeper: TunnelKeeper;
  /** Requests that came, `METHOD path`. */
  readonly seen: string[];
  /** A frozen agent takes everything in and answers nothing, not even whether it is there. */
  isFrozen: boolean;
  /** What it does with requests; answers at once unless a test says otherwise. */
  serve: (exchange: Exchange) => void;
  /** What it says with a switch to another protocol, name and value in turn; it then gives back what it gets. */
  switches: string[];
}

/** What a request through a tunnel was answered. */
export interface Answered {
  readonly status: number;
  readonly text: string;
}

/** Edges and agents that know each other by one pair of authorities and one bus. */
export class TunnelRig implements AsyncDisposable {
  readonly pki: Pki;
  readonly bus = new MemoryBus();
  readonly telemetry = silentTelemetry();
  readonly locks = new PolicyTables({ clock: systemClock, onUnreadable: () => undefined });
  readonly #scope = new AsyncDisposableStack();

  constructor(pki: Pki) {
    this.pki = pki;
  }

  static async start(): Promise<TunnelRig> {
    return new TunnelRig(await createPki());
  }

  async edge(id: string, port = 0, ttlMs?: number): Promise<TestEdge> {
    const held = await this.pki.held(id, ['Proxy'], ttlMs);
    let address = '';
    const tunnels = new EdgeTunnels({
      clock: systemClock,
      log: this.telemetry.log,
      held,
      bus: this.bus,
      edgeId: id,
      address: () => address,
      serveHere: undefined,
      lockOnAgent: (agentId, joinToken) => this.locks.lockOnAgent(agentId, joinToken),
    });
    const none = () => {
      throw new Error('no request comes here');
    };
    const front = new TlsFront(
      { held, clock: systemClock, clients: 'all', limits: defaultLimits },
      { request: none, upgrade: none, tunnel: (socket, peer) => tunnels.accept(socket, peer) },
    );
    const listening = await front.listen({ host: '127.0.0.1', port });
    address = `127.0.0.1:${listening.port}`;
    const hasHeard = tunnels.start();
    const edge = {
      id,
      port: listening.port,
      tunnels,
      held,
      hasHeard,
      [Symbol.asyncDispose]: async () => {
        await front.close(0);
        await tunnels.close(0);
      },
    };
    return this.#scope.use(edge);
  }

  async agent(
    id: string,
    to: readonly Pick<Destination, 'port'>[],
    { ttlMs, joinToken, ...options }: AgentOptions = {},
  ): Promise<TestAgent> {
    const held = await this.pki.held(id, ['Kube'], ttlMs, joinToken);
    const keeper = new TunnelKeeper({
      held,
      clock: systemClock,
      log: this.telemetry.log,
      outbound: new Outbound(),
      addresses: to.map(({ port }) => ({ host: '127.0.0.1', port })),
      accept: (stream, head, peer) =>
        agent.isFrozen ? silence(stream, head) : acceptStream(handlers, peer, stream, head),
      ...options,
    });
    const agent: TestAgent = {
      id,
      held,
      keeper,
      seen: [],
      isFrozen: false,
      serve: ({ answer }) => {
        answer.begin(200, ['content-type', 'text/plain']);
        answer.sink.end(Buffer.from(id));
      },
      switches: [],
      [Symbol.asyncDispose]: () => keeper[Symbol.asyncDispose](),
    };
    const handlers = {
      request: (exchange: Exchange) => {
        agent.seen.push(`${exchange.method} ${exchange.target}`);
        agent.serve(exchange);
      },
      upgrade: ({ answer }: { answer: { join(protocol: string, headers: string[]): Duplexed } }) => {
        const stream = answer.join('websocket', agent.switches);
        stream.pipe(stream);
      },
    };
    keeper.start();
    return this.#scope.use(agent);
  }

  /** Makes a lock, or takes it away where there is no target, and has the edge look who is under it. */
  lock({ tunnels }: Pick<TestEdge, 'tunnels'>, target?: Readonly<Record<string, string>>): void {
    const resource = { kind: 'lock', version: 'v2', metadata: { name: 'l1' }, spec: { target } };
    this.locks.apply({ kind: 'lock', id: 'l1', ...(target ? { resource } : {}) });
    tunnels.agents.cutLocked();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope.disposeAsync();
  }
}

type AgentOptions = Partial<TunnelKeeperOptions> & { readonly ttlMs?: number; readonly joinToken?: string };
type Duplexed = NodeJS.ReadWriteStream;

function silence(_stream: TunnelStream, _head: OpenHead): StreamEvents {
  const nothing = () => undefined;
  return { data: nothing, end: nothing, reset: nothing, drain: nothing };
}

/** Sends a request from an edge to an agent, by whatever way there is. */
export function ask(
  { tunnels }: Pick<TestEdge, 'tunnels'>,
  agentId: string,
  { path = '/x', body = null, method = 'GET' }: { path?: string; body?: Buffer | null; method?: string } = {},
): Promise<Answered> {
  const chunks: Buffer[] = [];
  let status = 0;
  const request = { method, path, headers: [], isLongLived: false, body };
  return new Promise((resolve, reject) => {
    tunnels.reach.upstreamOf(agentId).dispatch(request, {
      onResponseStart: (_controller, code) => void (status = code),
      onResponseData: (_controller, chunk) => void chunks.push(chunk),
      onResponseEnd: () => resolve({ status, text: Buffer.concat(chunks).toString() }),
      onResponseError: (_controller, error) => reject(error),
    });
  });
}
