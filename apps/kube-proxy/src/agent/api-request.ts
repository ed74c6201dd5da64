import { compileFilter, type ResourceFilter } from '@postern/access';
import type { ApiServer } from '@postern/kube';
import { jsonOnly } from '../forward/accept.ts';
import { type BodyFilter, type MaySee, UnreadableAnswer } from '../forward/body-filter.ts';
import { ListFilter } from '../forward/filter-list.ts';
import { WatchFilter } from '../forward/filter-watch.ts';
import type { UpstreamRequest } from '../forward/upstream.ts';
import type { ClientHeaders } from '../request/client-headers.ts';
import { CollectionNotLimited } from '../request/authorize.ts';
import { type Impersonation, impersonationHeaders } from '../request/impersonate.ts';
import { firstValue, type QueryPairs } from '../request/query.ts';
import { isLongLived, type RequestInfo, upstreamTarget } from '../request/request-info.ts';

/** What was decided about a request: whom it acts as, and what of the answer its user may see. */
export interface Granted {
  readonly impersonation: Impersonation;
  readonly filter: ResourceFilter | undefined;
}

/** A request as it goes to an API server, and the filter for its answer. */
export interface ApiRequest {
  readonly request: UpstreamRequest;
  readonly filter: ((headers: Record<string, string | string[] | undefined>) => BodyFilter) | undefined;
}

/** What was asked, by whom at which address, and under which id. */
interface ServedRequest {
  readonly info: RequestInfo;
  readonly headers: ClientHeaders;
  readonly clientAddress: string;
  readonly requestId: string;
}

/** Builds the request for an API server from attributes, grant and allowlisted headers. Nothing else of it goes on. */
export function apiRequest(
  server: ApiServer,
  { info, headers, clientAddress, requestId }: ServedRequest,
  { impersonation, filter }: Granted,
): ApiRequest {
  const limited = filter && reads(info) ? filter : undefined;
  if (filter && info.verb === 'deletecollection') throw CollectionNotLimited(info.resource);
  const accept = limited ? jsonOnly(headers.accept) : headers.accept;
  const out = [...headers.forward, ...server.authorization(), ...impersonationHeaders(impersonation)];
  if (accept !== undefined) out.push('accept', accept);
  if (headers.acceptsGzip && !limited) out.push('accept-encoding', 'gzip');
  if (headers.contentLength !== undefined) out.push('content-length', headers.contentLength);
  if (clientAddress !== '') out.push('x-forwarded-for', clientAddress);
  // The API server takes the id for its own audit log from here. A client's own is not on the allowlist.
  if (requestId !== '') out.push('audit-id', requestId);
  const path = upstreamTarget(info, limited ? readableQuery(info.query) : info.query);
  const request = { method: info.method, path, headers: out, isLongLived: isLongLived(info) };
  return { request, filter: limited ? filterOf(info, limited) : undefined };
}

function reads(info: RequestInfo): boolean {
  return info.verb === 'list' || info.verb === 'watch';
}

/** A Table row without its object's metadata says nothing about whose it is, and pretty-printed events span lines. */
function readableQuery(query: QueryPairs): QueryPairs {
  const rest = query.filter(([key]) => key !== 'pretty' && key !== 'includeObject');
  const include = firstValue(query, 'includeObject');
  return include === undefined
    ? rest
    : [...rest, ['includeObject', include === 'Object' ? 'Object' : 'Metadata']];
}

function filterOf(info: RequestInfo, filter: ResourceFilter): NonNullable<ApiRequest['filter']> {
  const passes = compileFilter(filter);
  const maySee: MaySee = (namespace, name) => passes(info.apiGroup, info.resource, namespace, name);
  return (headers) => {
    if (!isPlainJson(headers)) throw UnreadableAnswer('it is not plain JSON');
    return info.verb === 'watch' ? new WatchFilter(maySee) : new ListFilter(maySee, withoutCount);
  };
}

function isPlainJson(headers: Record<string, string | string[] | undefined>): boolean {
  const encoding = headers['content-encoding'];
  const type = headers['content-type'];
  return (
    (encoding === undefined || encoding === 'identity') &&
    typeof type === 'string' &&
    /^application\/json(?:;|$)/.test(type)
  );
}

/** The number of items that remain counts those the user may not see. */
function withoutCount(metadata: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(metadata).filter(([key]) => key !== 'remainingItemCount'));
}
