import { type AppError, failure, isUuid, toAppError } from '@postern/core';
import { FilterMissing, ReceivedFilters } from '../filter/sent-filter.ts';
import { refuseUpgrade } from '../forward/upgrade.ts';
import type { Exchange } from '../listen/exchange.ts';
import { CertificateRefused, type Peer } from '../listen/peer.ts';
import { refuseKube } from '../listen/refuse.ts';
import type { FrontHandlers, UpgradeExchange } from '../listen/tls-front.ts';
import { type ClientHeaders, readClientHeaders } from '../request/client-headers.ts';
import { requestInfoOf } from '../request/request-info.ts';
import { parseTarget } from '../request/target.ts';
import { type GrantCheck, grantedBy } from './grant-check.ts';
import { type ClusterRequest, type InFlight, serveRequest, serveUpgrade } from './serve.ts';
import { ClusterNotServed, type ServedClusters } from './served-clusters.ts';

export const EdgesOnly = failure(
  'permission_denied',
  'kube.edges_only',
  () => 'only an edge may send requests to an agent',
);

export interface AgentFrontDeps {
  readonly clusters: ServedClusters;
  readonly grants: GrantCheck;
}

/** What an agent answers: requests of edges, each with a grant for its cluster. The path tells nothing that the grant must. */
export function agentFront(given: AgentFrontDeps): FrontHandlers {
  const deps = { ...given, filters: new ReceivedFilters() };
  return {
    request: (exchange) => {
      void serve(deps, exchange).catch((error: unknown) => {
        if (!exchange.answer.sink.destroyed) refuseKube(exchange.answer, toAppError(error));
      });
    },
    upgrade: (exchange) => {
      void join(deps, exchange).catch((error: unknown) => {
        if (!exchange.answer.isClosed) refuseUpgrade(exchange.answer, toAppError(error));
      });
    },
  };
}

type Deps = AgentFrontDeps & { readonly filters: ReceivedFilters };

async function serve(deps: Deps, exchange: Exchange): Promise<InFlight> {
  const request = await readRequest(deps, exchange);
  return serveRequest(deps.clusters, request, {
    body: exchange.hasBody && !request.granted.filter ? exchange.body : undefined,
    answer: exchange.answer,
    begun: () => undefined,
    done: (error: AppError | undefined) => {
      if (error && exchange.answer.status === 0 && !exchange.answer.sink.destroyed)
        refuseKube(exchange.answer, error);
    },
  });
}

async function join(deps: Deps, exchange: UpgradeExchange): Promise<InFlight> {
  const request = await readRequest(deps, exchange);
  return serveUpgrade(deps.clusters, request, {
    client: exchange.answer,
    begun: () => undefined,
    done: () => undefined,
  });
}

type Received = Pick<Exchange, 'method' | 'target' | 'rawHeaders' | 'peer'> &
  Partial<Pick<Exchange, 'hasBody' | 'body'>>;

async function readRequest({ clusters, grants, filters }: Deps, received: Received): Promise<ClusterRequest> {
  requireEdge(received.peer);
  const { segments, slash, query } = parseTarget(received.target);
  const [prefix, cluster, ...rest] = segments;
  if (prefix !== 'kube' || cluster === undefined) throw ClusterNotServed('');
  const headers: ClientHeaders = readClientHeaders(received.rawHeaders);
  const grant = await grants.verify(headers.grant, cluster);
  if (!clusters.has(cluster)) throw ClusterNotServed(cluster);
  const info = requestInfoOf(received.method, { segments: rest, slash: slash || rest.length === 0, query });
  const { clientAddress = '', requestId = '' } = headers;
  const { filterDigest } = grant;
  const isFiltered = filterDigest !== undefined;
  const isRead = info.verb === 'list' || info.verb === 'watch';
  if (isFiltered && !(isRead && received.hasBody && received.body)) throw FilterMissing();
  const filter = isFiltered ? await filters.read(received.body!, filterDigest) : undefined;
  return {
    cluster,
    info,
    // What came as the body was for us.
    headers: isFiltered ? { ...headers, contentLength: undefined } : headers,
    clientAddress,
    requestId: isUuid(requestId) ? requestId : '',
    granted: grantedBy(grant, filter),
  };
}

function requireEdge({ principal, refusal }: Peer): void {
  if (!principal) throw refusal ?? CertificateRefused();
  if (principal.type !== 'svc' || !principal.roles.includes('Proxy')) throw EdgesOnly();
}
