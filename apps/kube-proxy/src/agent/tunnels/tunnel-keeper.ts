import type { Destination, Outbound } from '@postern/agent';
import { type AppError, type Clock, delay, messageOf } from '@postern/core';
import { droppedAuthorities, type HeldIdentity, isIssuedBy } from '@postern/identity';
import type { Logger } from '@postern/telemetry';
import { type OpenHead, type StreamEvents, Tunnel, type TunnelStream } from '@postern/tunnel';
import { edgesHeader, edgesPath } from '../../edge/tunnels/tunnel-gate.ts';
import type { Peer } from '../../listen/peer.ts';
import { type DialledEdge, dialEdge } from './dial-edge.ts';

/** How tunnels are kept. Times are milliseconds. */
export interface TunnelKeeperOptions {
  readonly held: HeldIdentity;
  readonly clock: Clock;
  readonly log: Logger;
  readonly outbound: Outbound;
  /** Public addresses; behind each may be one edge, or a balancer in front of several. */
  readonly addresses: readonly Destination[];
  /** Takes the streams of edges. */
  readonly accept: (stream: TunnelStream, head: OpenHead, peer: Peer) => StreamEvents;
  readonly random?: () => number;
  readonly pingIntervalMs?: number;
}

interface Kept {
  readonly edgeId: string;
  readonly tunnel: Tunnel;
  /** The certificate that it was opened with. */
  readonly fingerprint: string;
  readonly notAfter: Date;
  /** The edge, as its certificate says. */
  readonly peer: Peer;
  /** Whether the authority of that certificate is not trusted any more. */
  isUntrusted: boolean;
}

/** Tunnels to different edges, where there are as many. */
const wanted = 2;
const backoff = { baseMs: 250, capMs: 10_000 };
const connectTimeoutMs = 10_000;
/** A balancer chooses at random or in turn: so many dials find another edge almost surely; then it is left for a while. */
const dialsForAnother = 12;
const lookAgainMs = 30_000;

/**
 * Keeps tunnels to edges: two different ones where there are two. One that is lost is dialled again after a random delay that
 * grows with failures, so that all agents of an edge do not come back at once. An edge that leaves and a certificate that is
 * renewed get a new tunnel before the old one ends.
 */
export class TunnelKeeper implements AsyncDisposable {
  /** Settles when the first tunnel is open. */
  readonly ready: Promise<void>;
  readonly #options: TunnelKeeperOptions;
  readonly #kept = new Set<Kept>();
  readonly #closing = new AbortController();
  readonly #unfollow: () => void;
  #becomeReady: () => void = () => undefined;
  #wake: () => void = () => undefined;
  #edges = 1;
  #turn: number;
  #failures = 0;
  #duplicates = 0;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: TunnelKeeperOptions) {
    this.#options = options;
    this.#turn = Math.floor(this.#random() * options.addresses.length);
    this.ready = new Promise((resolve) => (this.#becomeReady = resolve));
    this.#unfollow = options.held.onChange((now, before) => {
      const dropped = droppedAuthorities(before, now);
      for (const kept of this.#kept)
        kept.isUntrusted ||= isIssuedBy(kept.peer.verified!.certificate, dropped);
      this.#duplicates = 0;
      this.#wake();
    });
  }

  start(): void {
    this.#loop = this.#keep();
  }

  /** Ids of the edges that this agent is reached through. */
  get edgeIds(): string[] {
    return this.#current().map(({ edgeId }) => edgeId);
  }

  /** Tells the edges that nothing new is taken, and lets streams under way end for so many milliseconds. */
  async drain(graceMs: number): Promise<void> {
    await this.#stop();
    for (const { tunnel } of this.#kept) tunnel.drain(graceMs);
    await Promise.all([...this.#kept].map(({ tunnel }) => tunnel.closed));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
    await Promise.all([...this.#kept].map(({ tunnel }) => tunnel[Symbol.asyncDispose]()));
  }

  async #stop(): Promise<void> {
    this.#unfollow();
    this.#closing.abort();
    this.#wake();
    await this.#loop;
  }

  async #keep(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const waitMs = this.#waitMs();
      if (waitMs > 0) await this.#sleep(waitMs);
      else await this.#dial();
    }
  }

  /** How long until the next dial; 0 for now. */
  #waitMs(): number {
    const missing = Math.min(wanted, this.#edges) - this.#current().length;
    if (missing <= 0) return lookAgainMs;
    if (this.#duplicates < dialsForAnother) return 0;
    this.#duplicates = 0;
    return lookAgainMs;
  }

  async #dial(): Promise<void> {
    const { held, clock, outbound, addresses, log } = this.#options;
    const { signal } = this.#closing;
    const address = addresses[this.#turn++ % addresses.length]!;
    const { principal } = held.current();
    try {
      const how = { held, outbound, at: clock() };
      const dialled = await dialEdge(address, how, { timeoutMs: connectTimeoutMs, signal });
      this.#failures = 0;
      this.#opened(dialled, principal);
    } catch (error) {
      if (signal.aborted) return;
      this.#failures += 1;
      log.warn('no tunnel to an edge came about', {
        address: `${address.host}:${address.port}`,
        attempt: this.#failures,
        reason: messageOf(error),
      });
    }
    // Full jitter, also after a success: the next dial of all agents that lost the same edge is spread out.
    // Nothing that is told meanwhile shortens it.
    if (this.#waitMs() === 0) await this.#pause(this.#random() * this.#ceilingMs());
  }

  #ceilingMs(): number {
    return Math.min(backoff.capMs, backoff.baseMs * 2 ** Math.min(this.#failures, 10));
  }

  #opened(
    { socket, edgeId, peer }: DialledEdge,
    { fingerprint, notAfter }: { readonly fingerprint: string; readonly notAfter: Date },
  ): void {
    const isAnother = !this.edgeIds.includes(edgeId);
    const { log, accept, pingIntervalMs } = this.#options;
    const tunnel = new Tunnel(socket, {
      side: 'dialer',
      ...(pingIntervalMs === undefined ? {} : { pingIntervalMs }),
      accept: (stream, head) =>
        head.path === edgesPath ? this.#takeEdges(stream, head) : accept(stream, head, peer),
      draining: () => void this.#wakeSoon(),
      report: (error) => log.error('a stream of a tunnel failed unexpectedly', { error: String(error) }),
    });
    const kept = { edgeId, tunnel, fingerprint, notAfter, peer, isUntrusted: false };
    this.#kept.add(kept);
    void tunnel.closed.then((reason) => this.#closed(kept, reason));
    if (!isAnother || this.#closing.signal.aborted) {
      // The balancer chose an edge that we have. It may have sent requests already, so they are served before it is left.
      this.#duplicates += 1;
      tunnel.drain();
      return;
    }
    this.#duplicates = 0;
    log.info('opened a tunnel', { edge: edgeId });
    this.#becomeReady();
    this.#drainOld();
  }

  #closed(kept: Kept, reason: AppError | undefined): void {
    this.#kept.delete(kept);
    if (reason === undefined || this.#closing.signal.aborted) return;
    this.#options.log.warn('a tunnel is closed', { edge: kept.edgeId, reason: reason.message });
    void this.#wakeSoon();
  }

  /** All agents of an edge lose it at the same moment; they do not come back at the same moment. */
  async #wakeSoon(): Promise<void> {
    await this.#pause(this.#random() * backoff.baseMs);
    this.#wake();
  }

  /** Tunnels that take requests and were opened with the certificate of this moment, to edges that are trusted now. */
  #current(): Kept[] {
    const { fingerprint } = this.#options.held.current().principal;
    return [...this.#kept].filter(
      (kept) => kept.fingerprint === fingerprint && !kept.isUntrusted && !kept.tunnel.isDraining,
    );
  }

  /** As soon as new tunnels are there, those of an earlier certificate take nothing new, and end with it at the latest. */
  #drainOld(): void {
    if (this.#current().length < Math.min(wanted, this.#edges)) return;
    const { held, clock } = this.#options;
    const { fingerprint } = held.current().principal;
    const now = clock().getTime();
    for (const { tunnel, fingerprint: other, notAfter, isUntrusted } of this.#kept)
      if (other !== fingerprint || isUntrusted)
        tunnel.drain(Math.max(0, Math.min(notAfter.getTime() - now, 2 ** 31 - 1)));
  }

  /** The edge tells how many there are. */
  #takeEdges(stream: TunnelStream, { headers }: OpenHead): StreamEvents {
    const count = headers[0] === edgesHeader ? Number(headers[1]) : Number.NaN;
    if (Number.isSafeInteger(count) && count > 0 && count !== this.#edges) {
      this.#edges = count;
      this.#duplicates = 0;
      this.#wake();
    }
    stream.answer({ status: 204, headers: [] });
    stream.end();
    const nothing = () => undefined;
    return { data: nothing, end: nothing, reset: nothing, drain: nothing };
  }

  async #sleep(ms: number): Promise<void> {
    const awake = new AbortController();
    this.#wake = () => awake.abort();
    await this.#pause(ms, awake.signal);
    this.#wake = () => undefined;
  }

  async #pause(ms: number, awake?: AbortSignal): Promise<void> {
    const { signal } = this.#closing;
    // It is over when it is over; nobody minds why.
    await delay(ms, awake ? AbortSignal.any([awake, signal]) : signal).catch(() => undefined);
  }

  #random(): number {
    return (this.#options.random ?? Math.random)();
  }
}
