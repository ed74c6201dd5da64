import type { TLSSocket } from 'node:tls';
import type { Clock } from '@postern/core';
import type { HeldIdentity } from '@postern/identity';
import type { Logger } from '@postern/telemetry';
import type { Peer } from '../../listen/peer.ts';
import type { LockOnAgent } from '../agent-lock.ts';
import type { EdgeBus } from '../edge-bus.ts';
import { Hearing } from '../hearing.ts';
import { AgentReach } from './agent-reach.ts';
import { AgentTunnels } from './agent-tunnels.ts';
import { Announcements } from './announcements.ts';
import { EdgeDirectory } from './edge-directory.ts';
import { PeerTunnels } from './peer-tunnels.ts';
import { TunnelGate, type TunnelGateDeps } from './tunnel-gate.ts';

export interface EdgeTunnelsDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly held: HeldIdentity;
  readonly bus: EdgeBus;
  readonly edgeId: string;
  /** host:port where other edges reach this one. */
  readonly address: () => string;
  readonly serveHere: TunnelGateDeps['serveHere'];
  readonly lockOnAgent: LockOnAgent;
}

const sweepMs = 500;
const now = () => performance.now();

/** Everything of an edge that has to do with tunnels: those of agents, those between edges, and what edges tell each other. */
export class EdgeTunnels {
  readonly agents: AgentTunnels;
  readonly reach: AgentReach;
  readonly #gate: TunnelGate;
  readonly hearing = new Hearing(now);
  readonly #directory = new EdgeDirectory(now, this.hearing);
  readonly #peers: PeerTunnels;
  readonly #announcements: Announcements;
  #timer: NodeJS.Timeout | undefined;
  #toldEdges = 1;

  constructor({ clock, log, held, bus, edgeId, address, serveHere, lockOnAgent }: EdgeTunnelsDeps) {
    const directory = this.#directory;
    const changed = () => this.#announcements.changed();
    this.agents = new AgentTunnels({ clock, now, changed, lockOnAgent });
    this.#peers = new PeerTunnels({ held, log, directory, now });
    this.reach = new AgentReach({ local: this.agents, peers: this.#peers, directory });
    this.#gate = new TunnelGate({
      clock,
      log,
      agents: this.agents,
      ownAgentId: edgeId,
      serveHere,
      edges: () => this.#edges,
    });
    this.#announcements = new Announcements({
      bus,
      edgeId,
      directory,
      hearing: this.hearing,
      address,
      agentIds: () => [...this.agents.agentIds, ...(serveHere ? [edgeId] : [])],
      edgesChanged: () => this.#tellEdges(),
    });
  }

  /** Answers once it is known which agents are reached through other edges, or after seconds. */
  start(): Promise<void> {
    this.#announcements.start();
    this.#timer = setInterval(() => this.#sweep(), sweepMs);
    return this.#announcements.settled();
  }

  /** Tells other edges where this one is reached, now that it is. */
  announce(): void {
    this.#announcements.announce();
  }

  accept(socket: TLSSocket, peer: Peer): void {
    this.#gate.accept(socket, peer);
  }

  /** Other edges send nothing through this one any more. */
  leave(): void {
    this.#announcements.leave();
  }

  /** Closes all tunnels, once streams under way have ended or so many milliseconds have passed. */
  async close(graceMs: number): Promise<void> {
    this.leave();
    await Promise.all([this.#gate.drain(graceMs), this.#peers.close(graceMs)]);
    clearInterval(this.#timer);
  }

  get #edges(): number {
    return this.#directory.size + 1;
  }

  /** Edges that fall silent are noticed here. */
  #tellEdges(): void {
    if (this.#edges === this.#toldEdges) return;
    this.#toldEdges = this.#edges;
    this.#gate.tellEdges();
  }

  #sweep(): void {
    this.agents.sweep();
    this.#gate.sweep();
    this.#peers.sweep();
    this.#tellEdges();
  }
}
