import { connect } from 'node:tls';
import { type AppError, failure, messageOf, toAppError } from '@postern/core';
import { clientTls, type HeldIdentity } from '@postern/identity';
import type { Logger } from '@postern/telemetry';
import { Tunnel, tunnelProtocol } from '@postern/tunnel';
import { EdgeLeaving } from './agent-tunnels.ts';
import type { EdgeDirectory, PeerEdge } from './edge-directory.ts';
import { AgentNotHere } from './pass-stream.ts';
import { TunnelUpstream } from './tunnel-upstream.ts';

export const PeerUnreachable = failure(
  'unavailable',
  'edge.peer_unreachable',
  (edge: string, why: string) => `the edge ${edge}, which holds the tunnel, cannot be reached: ${why}`,
);

export interface PeerTunnelsDeps {
  readonly held: HeldIdentity;
  readonly log: Logger;
  readonly directory: EdgeDirectory;
  /** Milliseconds on a clock that is never set. */
  readonly now: () => number;
}

interface Peer {
  readonly tunnel: Promise<Tunnel>;
  /** The same, once it is open. */
  open: Tunnel | undefined;
  /** Agents that were reached through it. */
  readonly upstreams: Map<string, TunnelUpstream>;
}

const connectTimeoutMs = 3000;

/**
 * Tunnels to other edges, opened when something has to go through them and kept. This edge shows its own certificate there and
 * wants to see that of the very edge it means; one that answers in its place gets nothing.
 */
export class PeerTunnels {
  readonly #deps: PeerTunnelsDeps;
  readonly #peers = new Map<string, Peer>();
  readonly #stop: () => void;
  #isOver = false;

  constructor(deps: PeerTunnelsDeps) {
    this.#deps = deps;
    this.#stop = deps.held.onChange(() => this.#renew());
  }

  /** The way to an agent through an edge that holds a tunnel of it; each holder is tried once. */
  async upstreamOf(agentId: string): Promise<TunnelUpstream> {
    let failed: AppError = AgentNotHere();
    for (const edge of this.#deps.directory.holdersOf(agentId)) {
      try {
        return await this.#through(edge, agentId);
      } catch (error) {
        this.#deps.directory.unreachable(edge.id);
        failed = toAppError(error);
      }
    }
    throw failed;
  }

  /** Whether the agent, reached through another edge, answers nothing at present. */
  isSilent(agentId: string): boolean {
    let known = false;
    for (const { upstreams } of this.#peers.values()) {
      const upstream = upstreams.get(agentId);
      if (upstream && !upstream.isSilent) return false;
      known ||= upstream !== undefined;
    }
    return known;
  }

  /** Looks after requests that wait for answers. */
  sweep(): void {
    for (const { upstreams } of this.#peers.values())
      for (const upstream of upstreams.values()) if (upstream.isWatched) upstream.watch();
  }

  async close(graceMs: number): Promise<void> {
    this.#isOver = true;
    this.#stop();
    const tunnels = await Promise.allSettled([...this.#peers.values()].map(({ tunnel }) => tunnel));
    await Promise.all(
      tunnels.map(async (outcome) => {
        if (outcome.status === 'rejected') return;
        outcome.value.drain(graceMs);
        await outcome.value.closed;
      }),
    );
  }

  async #through(edge: PeerEdge, agentId: string): Promise<TunnelUpstream> {
    const peer = this.#peerOf(edge);
    const { tunnel, upstreams } = peer;
    const open = await tunnel;
    peer.open = open;
    const known = upstreams.get(agentId);
    if (known) return known;
    const upstream = new TunnelUpstream(open, agentId, this.#deps.now);
    upstreams.set(agentId, upstream);
    return upstream;
  }

  #peerOf(edge: PeerEdge): Peer {
    if (this.#isOver) throw EdgeLeaving();
    const known = this.#peers.get(edge.id);
    if (known) return known;
    const peer: Peer = { tunnel: this.#dial(edge), open: undefined, upstreams: new Map() };
    this.#peers.set(edge.id, peer);
    const forget = () => {
      if (this.#peers.get(edge.id) === peer) this.#peers.delete(edge.id);
    };
    void peer.tunnel.then((tunnel) => tunnel.closed).then(forget, forget);
    return peer;
  }

  async #dial({ id, address }: PeerEdge): Promise<Tunnel> {
    const { held, log } = this.#deps;
    const socket = connect({
      ...clientTls(held, { expect: { type: 'svc', role: 'Proxy', id } }),
      ...hostAndPort(address),
      ALPNProtocols: [tunnelProtocol],
    });
    socket.setNoDelay(true);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error('it did not answer in time')), connectTimeoutMs);
    socket.on('error', reject);
    socket.once('secureConnect', resolve);
    socket.once('close', () => reject(new Error('it closed the connection')));
    try {
      await promise;
      if (socket.alpnProtocol !== tunnelProtocol) throw new Error('it takes no tunnels');
    } catch (error) {
      socket.destroy();
      throw PeerUnreachable.from(error, id, messageOf(error));
    } finally {
      clearTimeout(timer);
    }
    const tunnel = new Tunnel(socket, {
      side: 'dialer',
      draining: () => this.#forget(id, tunnel),
      report: (error) => log.error('a stream to another edge failed unexpectedly', { error: String(error) }),
    });
    log.info('opened a tunnel to another edge', { edge: id });
    return tunnel;
  }

  /** Streams under way go on; the next request opens another tunnel. */
  #forget(id: string, tunnel: Tunnel): void {
    if (this.#peers.get(id)?.open === tunnel) this.#peers.delete(id);
  }

  /** What was opened with the old certificate ends with it; new requests take a new tunnel. */
  #renew(): void {
    for (const [id, { tunnel }] of this.#peers) {
      this.#peers.delete(id);
      void tunnel.then(
        (open) => open.drain(drainMs),
        () => undefined,
      );
    }
  }
}

/** Certificates are renewed at two thirds of their life, which is hours. */
const drainMs = 3_600_000;

function hostAndPort(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return {
    host: address.slice(0, colon).replace(/^\[(.*)\]$/, '$1'),
    port: Number(address.slice(colon + 1)),
  };
}
