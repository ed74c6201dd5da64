import { messageOf, toAppError } from '@postern/core';
import type { Dispatcher } from 'undici';
import type {
  SentRequest,
  UpgradeEvents,
  UpgradeProtocol,
  UpgradeUpstream,
  UpstreamRequest,
} from '../../forward/upstream.ts';
import { WayBroke } from '../../forward/way-broke.ts';
import type { AgentTunnels } from './agent-tunnels.ts';
import type { EdgeDirectory } from './edge-directory.ts';
import type { PeerTunnels } from './peer-tunnels.ts';
import type { TunnelUpstream } from './tunnel-upstream.ts';

export interface AgentReachDeps {
  readonly local: AgentTunnels;
  readonly peers: PeerTunnels;
  readonly directory: EdgeDirectory;
}

/** Where an agent's tunnel ends: at this edge, or at another. */
export type TunnelPlace = 'here' | 'elsewhere';

/** How agents are reached: by their own tunnel, else over one hop to an edge that has one. */
export class AgentReach {
  readonly #deps: AgentReachDeps;

  constructor(deps: AgentReachDeps) {
    this.#deps = deps;
  }

  /** Undefined for an agent that has no tunnel anywhere, or that takes requests in and does not answer. */
  placeOf(agentId: string): TunnelPlace | undefined {
    const { local, peers, directory } = this.#deps;
    const here = local.upstreamOf(agentId);
    if (here) return here.isSilent ? undefined : 'here';
    return directory.holds(agentId) && !peers.isSilent(agentId) ? 'elsewhere' : undefined;
  }

  /** The way is looked up anew for each request, also for the second attempt of one. */
  upstreamOf(agentId: string): UpgradeUpstream {
    const { local, peers } = this.#deps;
    return new Way(
      () => local.upstreamOf(agentId),
      () => peers.upstreamOf(agentId),
    );
  }
}

class Way implements UpgradeUpstream {
  readonly #here: () => TunnelUpstream | undefined;
  readonly #elsewhere: () => Promise<TunnelUpstream>;

  constructor(here: () => TunnelUpstream | undefined, elsewhere: () => Promise<TunnelUpstream>) {
    this.#here = here;
    this.#elsewhere = elsewhere;
  }

  dispatch(request: SentRequest, handler: Dispatcher.DispatchHandler): void {
    const here = this.#here();
    if (here) here.dispatch(request, handler);
    else void this.#dispatchElsewhere(request, handler);
  }

  upgrade(request: UpstreamRequest, protocol: UpgradeProtocol, events: UpgradeEvents): { destroy(): void } {
    const here = this.#here();
    if (here) return here.upgrade(request, protocol, events);
    let attempt: { destroy(): void } | undefined;
    let isGivenUp = false;
    const begin = async () => {
      try {
        const upstream = await this.#elsewhere();
        if (!isGivenUp) attempt = upstream.upgrade(request, protocol, events);
      } catch (error) {
        if (!isGivenUp) events.failed(toAppError(error), 'nowhere');
      }
    };
    void begin();
    return {
      destroy: () => {
        isGivenUp = true;
        attempt?.destroy();
      },
    };
  }

  async #dispatchElsewhere(request: SentRequest, handler: Dispatcher.DispatchHandler): Promise<void> {
    let upstream: TunnelUpstream;
    try {
      upstream = await this.#elsewhere();
    } catch (error) {
      handler.onResponseError?.(unsent, new WayBroke(messageOf(error), 'nowhere', { cause: error }));
      return;
    }
    upstream.dispatch(request, handler);
  }
}

/** What a handler is given of a request that was never sent. */
const unsent: Dispatcher.DispatchController = {
  aborted: false,
  paused: false,
  reason: null,
  abort: () => undefined,
  pause: () => undefined,
  resume: () => undefined,
};
