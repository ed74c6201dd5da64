import type { TLSSocket } from 'node:tls';
import { type Clock, failure } from '@postern/core';
import type { Principal } from '@postern/identity';
import type { Logger } from '@postern/telemetry';
import { type OpenHead, type StreamEvents, Tunnel, type TunnelStream } from '@postern/tunnel';
import type { Peer } from '../../listen/peer.ts';
import { authenticate } from '../../request/authenticate.ts';
import { CertificateExpired } from '../../streams/open-requests.ts';
import { type AgentTunnels, EdgeLeaving } from './agent-tunnels.ts';
import { passStream } from './pass-stream.ts';

/** Tunnels are for agents that serve clusters, and for other edges. */
export const NoTunnelForYou = failure(
  'permission_denied',
  'edge.no_tunnel',
  () => 'a tunnel needs the certificate of an agent with the role Kube, or of an edge',
);

export interface TunnelGateDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly agents: AgentTunnels;
  readonly ownAgentId: string;
  /** Takes streams for the kube role of this very process, where it has one. */
  readonly serveHere: ((stream: TunnelStream, head: OpenHead, peer: Peer) => StreamEvents) | undefined;
  /** How many edges there are, this one included. */
  readonly edges: () => number;
}

/** Path at which an agent is told how many edges there are, and the header that says it. */
export const edgesPath = '/edges';
export const edgesHeader = 'postern-edges';

interface PeerTunnel {
  readonly tunnel: Tunnel;
  readonly notAfter: Date;
}

/**
 * Takes tunnels in. Who is at the other end is read from the certificate alone: an agent gets its tunnel registered under the
 * id in there, and may open nothing; another edge may open streams to agents that have a tunnel here.
 */
export class TunnelGate {
  readonly #deps: TunnelGateDeps;
  readonly #edges = new Set<PeerTunnel>();
  #isLeaving = false;

  constructor(deps: TunnelGateDeps) {
    this.#deps = deps;
  }

  accept(socket: TLSSocket, peer: Peer): void {
    let principal: Principal;
    try {
      principal = authenticate(peer, this.#deps.clock());
    } catch {
      socket.destroy();
      return;
    }
    if (principal.type === 'agent' && principal.roles.includes('Kube')) this.#acceptAgent(socket, principal);
    else if (principal.type === 'svc' && principal.roles.includes('Proxy'))
      this.#acceptEdge(socket, peer, principal);
    else this.#open(socket).close(NoTunnelForYou());
  }

  /** The number of edges changed: agents open tunnels to more of them, or look for others. */
  tellEdges(): void {
    this.#deps.agents.forEach((tunnel) => this.#tellEdges(tunnel));
  }

  /** Closes what other edges opened with certificates that have ended. */
  sweep(): void {
    const at = this.#deps.clock();
    for (const { tunnel, notAfter } of this.#edges) if (notAfter <= at) tunnel.close(CertificateExpired());
  }

  /** Takes nothing more; streams under way may end within so many milliseconds. */
  async drain(graceMs: number): Promise<void> {
    this.#isLeaving = true;
    for (const { tunnel } of this.#edges) tunnel.drain(graceMs);
    await Promise.all([
      ...[...this.#edges].map(({ tunnel }) => tunnel.closed),
      this.#deps.agents.drain(graceMs),
    ]);
  }

  #acceptAgent(socket: TLSSocket, principal: Principal): void {
    const tunnel = this.#open(socket);
    if (this.#isLeaving) return tunnel.close(EdgeLeaving());
    const { agents, log } = this.#deps;
    const { id: agentId } = principal;
    agents.add(principal, tunnel);
    log.info('an agent opened a tunnel', { agentId });
    void tunnel.closed.then((reason) =>
      log.info('the tunnel of an agent is closed', { agentId, reason: reason?.message ?? 'drained' }),
    );
    this.#tellEdges(tunnel);
  }

  #acceptEdge(socket: TLSSocket, peer: Peer, { notAfter }: Principal): void {
    const tunnel = this.#open(socket, (stream, head) => this.#pass(stream, head, peer));
    if (this.#isLeaving) return tunnel.close(EdgeLeaving());
    const entry = { tunnel, notAfter };
    this.#edges.add(entry);
    void tunnel.closed.then(() => this.#edges.delete(entry));
  }

  #pass(stream: TunnelStream, head: OpenHead, peer: Peer): StreamEvents {
    const { agents, ownAgentId, serveHere } = this.#deps;
    if (head.to === ownAgentId && serveHere) return serveHere(stream, head, peer);
    return passStream(stream, head, head.to === undefined ? undefined : agents.upstreamOf(head.to));
  }

  #open(socket: TLSSocket, accept?: (stream: TunnelStream, head: OpenHead) => StreamEvents): Tunnel {
    const { log } = this.#deps;
    return new Tunnel(socket, {
      side: 'listener',
      ...(accept ? { accept } : {}),
      report: (error) => log.error('a stream of a tunnel failed unexpectedly', { error: String(error) }),
    });
  }

  #tellEdges(tunnel: Tunnel): void {
    if (tunnel.isDraining) return;
    const nothing = () => undefined;
    const head = { method: 'PUT', path: edgesPath, headers: [edgesHeader, String(this.#deps.edges())] };
    try {
      tunnel.open(head, { data: nothing, end: nothing, reset: nothing, drain: nothing }).end();
    } catch {
      // Closed or full: the next one that the agent opens is told again.
    }
  }
}
