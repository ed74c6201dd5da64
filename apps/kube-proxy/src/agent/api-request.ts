import { compileFilter, type ResourceFilter } from '@postern/access';
import type { ApiServer } from '@postern/kube';
import { filterableAccept } from '../filter/accept.ts';
import { answerFilter, type AnswerRules } from '../filter/answer-filter.ts';
import { ContinueExpired, isSealed, openToken, sealToken, type TokenUse } from '../filter/page-tokens.ts';
import type { Forward } from '../forward/forward.ts';
import type { UpstreamRequest } from '../forward/upstream.ts';
import type { ClientHeaders } from '../request/client-headers.ts';
import { CollectionNotLimited } from '../request/authorize.ts';
import { type Impersonation, impersonationHeaders } from '../request/impersonate.ts';
import { firstValue, type QueryPairs } from '../request/query.ts';
import { isLongLived, type RequestInfo, upstreamTarget } from '../request/request-info.ts';

/** What was decided about a request: who asks, whom it acts as, and what of the answer may be seen. */
export interface Granted {
  /** SPIFFE id of the user or bot. */
  readonly subject: () => string;
  readonly impersonation: Impersonation;
  readonly filter: ResourceFilter | undefined;
}

/** What was asked of a cluster, by whom at which address, and under which id. */
export interface ReadRequest {
  readonly cluster: string;
  readonly info: RequestInfo;
  readonly headers: ClientHeaders;
  readonly clientAddress: string;
  readonly requestId: string;
}

/** A request as it goes to an API server, and the filter for its answer. */
export interface ApiRequest {
  readonly request: UpstreamRequest;
  readonly filter: Forward['filter'];
}

/** Builds the request for an API server from attributes, grant and allowlisted headers. Nothing else of it goes on. */
export function apiRequest(
  server: Pick<ApiServer, 'authorization' | 'derivedKey'>,
  read: ReadRequest,
  { subject, impersonation, filter }: Granted,
): ApiRequest {
  const { info, headers, clientAddress, requestId } = read;
  if (filter && info.verb === 'deletecollection') throw CollectionNotLimited(info.resource);
  const pages = new Pages(server, () => tokenUse(subject(), read));
  const limited = filter && reads(info) ? filterFor(info, filter, pages) : undefined;
  const out = [...headers.forward, ...server.authorization(), ...impersonationHeaders(impersonation)];
  const accept = limited ? filterableAccept(headers.accept, prefersStreaming(info)) : headers.accept;
  if (accept !== undefined) out.push('accept', accept);
  // Compressed answers could not be filtered, and some servers compress unless told not to.
  if (limited) out.push('accept-encoding', 'identity');
  else if (headers.acceptsGzip) out.push('accept-encoding', 'gzip');
  if (headers.contentLength !== undefined) out.push('content-length', headers.contentLength);
  if (clientAddress !== '') out.push('x-forwarded-for', clientAddress);
  // The API server takes the id for its own audit log from here. A client's own is not on the allowlist.
  if (requestId !== '') out.push('audit-id', requestId);
  const query = pages.opened(limited ? readableQuery(info.query) : info.query, limited !== undefined);
  const path = upstreamTarget(info, query);
  const request = { method: info.method, path, headers: out, isLongLived: isLongLived(info) };
  return { request, filter: limited };
}

function reads(info: RequestInfo): boolean {
  return info.verb === 'list' || info.verb === 'watch';
}

/** A list in pages is short enough to be held. */
function prefersStreaming({ verb, query }: RequestInfo): boolean {
  return verb === 'list' && !(Number(firstValue(query, 'limit')) > 0);
}

/** A Table row without its object's metadata says nothing about whose it is, and pretty-printed events span lines. */
function readableQuery(query: QueryPairs): QueryPairs {
  const rest = query.filter(([key]) => key !== 'pretty' && key !== 'includeObject');
  const include = firstValue(query, 'includeObject');
  return include === undefined
    ? rest
    : [...rest, ['includeObject', include === 'Object' ? 'Object' : 'Metadata']];
}

function filterFor(info: RequestInfo, filter: ResourceFilter, pages: Pages): NonNullable<Forward['filter']> {
  const passes = compileFilter(filter);
  const rules: AnswerRules = {
    isWatch: info.verb === 'watch',
    dropsObjects: firstValue(info.query, 'includeObject') === 'None',
    maySee: (namespace, name) => passes(info.apiGroup, info.resource, namespace, name),
    sealContinue: (token) => pages.seal(token),
  };
  return (status, headers) => answerFilter(status, headers, rules);
}

function tokenUse(subject: string, { cluster, info }: ReadRequest): TokenUse {
  const { apiGroup, resource, namespace, query } = info;
  const selectors = ['labelSelector', 'fieldSelector'].map((key) => firstValue(query, key) ?? '');
  return [subject, cluster, apiGroup, resource, namespace, ...selectors];
}

/** The tokens by which a list goes on to its next page. */
class Pages {
  readonly #server: Pick<ApiServer, 'derivedKey'>;
  readonly #use: () => TokenUse;

  constructor(server: Pick<ApiServer, 'derivedKey'>, use: () => TokenUse) {
    this.#server = server;
    this.#use = use;
  }

  seal(token: string): string {
    return sealToken(this.#key(), token, this.#use());
  }

  /**
   * A query with the API server's own token in it. Where the list is limited no other token is taken: with one that it makes up
   * a client could ask whether anything comes behind a name.
   */
  opened(query: QueryPairs, isLimited: boolean): QueryPairs {
    const token = firstValue(query, 'continue') ?? '';
    if (token === '') return query;
    if (!isSealed(token)) {
      if (isLimited) throw ContinueExpired();
      return query;
    }
    const opened = openToken(this.#key(), token, this.#use());
    return query.map(([key, value]) => (key === 'continue' ? [key, opened] : [key, value]));
  }

  #key(): Buffer {
    return this.#server.derivedKey('continue');
  }
}
