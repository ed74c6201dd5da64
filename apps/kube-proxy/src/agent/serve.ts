import type { Readable } from 'node:stream';
import type { AppError } from '@postern/core';
import type { ApiServer } from '@postern/kube';
import { forward } from '../forward/forward.ts';
import type { Traffic } from '../forward/traffic.ts';
import { forwardUpgrade, type UpgradeClient } from '../forward/upgrade.ts';
import type { AnswerHeaders } from '../forward/upstream.ts';
import type { Answer } from '../listen/exchange.ts';
import type { ClientHeaders } from '../request/client-headers.ts';
import type { RequestInfo } from '../request/request-info.ts';
import { readHandshake } from '../upgrades/handshake.ts';
import { planAsAsked, planTranslated } from '../upgrades/plans.ts';
import { refusesProtocol } from '../upgrades/spoken-protocols.ts';
import { apiRequest, type Granted } from './api-request.ts';
import { ClusterNotServed, type ServedClusters } from './served-clusters.ts';

/** A decided request for a cluster. */
export interface ClusterRequest {
  readonly cluster: string;
  readonly info: RequestInfo;
  readonly headers: ClientHeaders;
  readonly clientAddress: string;
  /** Under which the API server's audit log will have it too. */
  readonly requestId: string;
  readonly granted: Granted;
}

/** Where the answer goes, and who is told how it went. */
export interface Reply {
  readonly body: Readable | Buffer | undefined;
  readonly answer: Answer;
  readonly traffic?: Traffic | undefined;
  readonly begun: (status: number, headers: AnswerHeaders) => void;
  readonly done: (error: AppError | undefined) => void;
}

export interface UpgradeReply {
  readonly client: UpgradeClient;
  readonly begun: (status: number, headers: AnswerHeaders) => void;
  readonly done: (error: AppError | undefined) => void;
}

/** Something under way that can be ended. */
export interface InFlight {
  cut(error: AppError): void;
}

/** Serves a request at the API server of its cluster, with our credentials and as the user that was granted. */
export function serveRequest(clusters: ServedClusters, request: ClusterRequest, reply: Reply): InFlight {
  const { server, upstream } = clusters.find(request.cluster) ?? fail(request.cluster);
  const api = apiRequest(server, request, request.granted);
  const isWatch = request.info.verb === 'watch';
  return forward({
    ...reply,
    begun: noticing401(server, reply),
    upstream,
    request: api.request,
    filter: api.filter,
    endsWithEvent: isWatch,
    retry: () =>
      clusters.find(request.cluster)?.server === server ? { upstream, request: api.request } : undefined,
  });
}

/**
 * Serves exec, attach, port-forward and whatever else switches protocols. The API server is asked for what the client asks for,
 * and when it does not speak that, for the other protocol, which is then translated.
 */
export function serveUpgrade(
  clusters: ServedClusters,
  request: ClusterRequest,
  reply: UpgradeReply,
): InFlight {
  const { server, upstream } = clusters.find(request.cluster) ?? fail(request.cluster);
  const handshake = readHandshake(request.info, request.headers);
  const { request: api } = apiRequest(server, request, { ...request.granted, filter: undefined });
  const planned = { info: request.info, request: api, handshake };
  const { spoken } = clusters;
  const asked = planAsAsked(planned);
  const translated = planTranslated(planned);
  const isRefused = spoken.isRefused(request.cluster, handshake);
  const plans = !translated ? [asked] : isRefused ? [translated, asked] : [asked, translated];
  return forwardUpgrade({
    ...reply,
    begun: noticing401(server, reply),
    upstream,
    plans,
    triesNext: (refusal, plan) => {
      if (!refusesProtocol(refusal)) return false;
      // Whichever it was, what was known of the server does not hold any more.
      if (plan === asked) spoken.refused(request.cluster, handshake);
      else spoken.forget(request.cluster, handshake);
      return true;
    },
  });
}

/** A 401 is about our credentials, or comes from behind the API server's own proxy, which looks the same: they are asked for anew. */
function noticing401<Rest extends unknown[]>(
  server: ApiServer,
  { begun }: { readonly begun: (status: number, ...rest: Rest) => void },
): (status: number, ...rest: Rest) => void {
  return (status, ...rest) => {
    if (status === 401) server.credentials.refused();
    begun(status, ...rest);
  };
}

function fail(cluster: string): never {
  throw ClusterNotServed(cluster);
}
