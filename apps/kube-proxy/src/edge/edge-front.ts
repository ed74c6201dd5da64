import { publicBusPath } from '@postern/contracts';
import { failure, toAppError } from '@postern/core';
import type { Exchange } from '../listen/exchange.ts';
import { refuseApi, refuseKube, sendJson } from '../listen/refuse.ts';
import type { PortHandlers, UpgradeExchange } from '../listen/tls-front.ts';
import { refuseUpgrade } from '../forward/upgrade.ts';
import { routingPrefix } from '../request/select-cluster.ts';
import { parseTarget, type Target } from '../request/target.ts';
import { type ApiFront, NoSuchRoute } from './api-front.ts';
import type { BusFront } from './bus-front.ts';
import type { KubeEdge } from './kube-edge.ts';
import type { EdgeTunnels } from './tunnels/edge-tunnels.ts';
import { webApi, type WebApiFacts } from './web-api.ts';

export interface EdgeFrontDeps {
  readonly bus: BusFront;
  readonly tunnels: EdgeTunnels;
  readonly kube: KubeEdge;
  readonly api: ApiFront;
  readonly facts: WebApiFacts;
  readonly isReady: () => boolean;
  /** Whether it was ready once: until then it does not know who may do what and where. */
  readonly hasBegun: () => boolean;
}

/** Asked before it can know. */
export const EdgeStarting = failure(
  'unavailable',
  'kube.edge_starting',
  () => 'this server has just started and does not know yet who serves the cluster; try again',
);

/**
 * What the public address answers. Clusters are below `/v1/teleport/`, API calls go by the table of the API front, agents have
 * their tunnels and the bus, and `webapi`, `healthz` and `readyz` are for everybody. There is nothing else.
 */
export function edgeFront(deps: EdgeFrontDeps): PortHandlers {
  return {
    request: (exchange) => {
      if (!exchange.target.startsWith(routingPrefix)) publicRequest(deps, exchange);
      else if (deps.hasBegun()) deps.kube.request(exchange);
      else refuseKube(exchange.answer, EdgeStarting());
    },
    upgrade: (exchange: UpgradeExchange) => {
      if (exchange.target.startsWith(routingPrefix)) {
        if (deps.hasBegun()) deps.kube.upgrade(exchange);
        else refuseUpgrade(exchange.answer, EdgeStarting());
      } else if (exchange.target === publicBusPath) deps.bus.upgrade(exchange);
      else refuseUpgrade(exchange.answer, NoSuchRoute());
    },
    tunnel: (socket, peer) => deps.tunnels.accept(socket, peer),
  };
}

function publicRequest(deps: EdgeFrontDeps, exchange: Exchange): void {
  const target = targetOf(exchange);
  if (!target) return;
  const [first, second, ...rest] = target.segments;
  if (first === 'webapi') webApi(exchange, target.segments.slice(1), deps.facts);
  else if (first === 'v1' && second === 'webapi') webApi(exchange, rest, deps.facts);
  else if (first === 'v1') deps.api.handle(exchange, target);
  else if (first === 'healthz' && second === undefined) sendJson(exchange.answer, 200, { status: 'ok' });
  else if (first === 'readyz' && second === undefined) {
    const isReady = deps.isReady();
    sendJson(exchange.answer, isReady ? 200 : 503, { status: isReady ? 'ok' : 'starting' });
  } else refuseApi(exchange.answer, NoSuchRoute());
}

/** An invalid path is answered as its client expects: kubectl sent it, or something else did. */
function targetOf(exchange: Exchange): Target | undefined {
  try {
    return parseTarget(exchange.target);
  } catch (error) {
    refuseKube(exchange.answer, toAppError(error));
    return undefined;
  }
}
