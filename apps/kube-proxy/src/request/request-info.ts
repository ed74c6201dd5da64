import { failure } from '@postern/core';
import { exactName } from './field-selector.ts';
import { isLabelSelector } from './label-selector.ts';
import { firstValue, formatQuery, parseQuery, type QueryPairs } from './query.ts';
import { encodePath, InvalidPath, parseTarget, type Target } from './target.ts';

/** Methods other than the seven that the Kubernetes API knows. */
export const MethodNotAllowed = failure(
  'invalid_argument',
  'kube.method_not_allowed',
  (method: string) => `the method ${JSON.stringify(method.slice(0, 20))} is not allowed`,
);

/** What a request to an API server asks for, in the terms in which Kubernetes authorises it. */
export interface RequestInfo {
  readonly method: string;
  /** Whether it names an API resource; otherwise only `path` and `verb` mean something. */
  readonly isResource: boolean;
  readonly verb: string;
  readonly apiPrefix: '' | 'api' | 'apis';
  readonly apiGroup: string;
  readonly apiVersion: string;
  readonly namespace: string;
  readonly resource: string;
  readonly subresource: string;
  /** From the path, or from a field selector on metadata.name for list and watch. */
  readonly name: string;
  /** Canonical path, rebuilt from the decoded segments. */
  readonly path: string;
  /** Parsed query, with one value for each parameter that decides something. */
  readonly query: QueryPairs;
}

const verbs: Readonly<Record<string, string>> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/**
 * The attributes of a request, as kube-apiserver's RequestInfoFactory computes them, from nothing but its method and raw
 * target. Whatever is ambiguous is refused, so that the API server cannot read the rebuilt path differently.
 */
export function parseRequestInfo(method: string, rawTarget: string): RequestInfo {
  return requestInfoOf(method, parseTarget(rawTarget));
}

/** The same for a target whose routing prefix was taken off. */
export function requestInfoOf(method: string, { segments, slash, query }: Target): RequestInfo {
  const verb = verbs[method];
  if (verb === undefined) throw MethodNotAllowed(method);
  const pairs = singleDeciders(parseQuery(query));
  const path = slash && segments.length > 0 ? `${encodePath(segments)}/` : encodePath(segments);
  const base = { method, path, query: pairs };
  const resource = resourcePart(segments);
  const info = resource ? resourceInfo(base, resource, verb) : pathInfo(base);
  if (slash && segments.length > 0 && info.subresource !== 'proxy') throw InvalidPath('it ends with a slash');
  return info;
}

type Base = Pick<RequestInfo, 'method' | 'path' | 'query'>;

function pathInfo({ method, path, query }: Base): RequestInfo {
  return {
    method,
    isResource: false,
    verb: method.toLowerCase(),
    apiPrefix: '',
    apiGroup: '',
    apiVersion: '',
    namespace: '',
    resource: '',
    subresource: '',
    name: '',
    path,
    query,
  };
}

interface ResourcePart {
  readonly apiPrefix: 'api' | 'apis';
  readonly apiGroup: string;
  readonly apiVersion: string;
  readonly rest: readonly string[];
}

/** `/api/<version>/…` and `/apis/<group>/<version>/…`; anything shorter is discovery, anything else is no resource. */
function resourcePart(segments: readonly string[]): ResourcePart | undefined {
  const [prefix, second, third] = segments;
  if (prefix === 'api' && segments.length >= 3) {
    return { apiPrefix: 'api', apiGroup: '', apiVersion: second!, rest: segments.slice(2) };
  }
  if (prefix === 'apis' && segments.length >= 4) {
    return { apiPrefix: 'apis', apiGroup: second!, apiVersion: third!, rest: segments.slice(3) };
  }
  return undefined;
}

const namespaceSubresources = new Set(['status', 'finalize']);

function resourceInfo({ method, path, query }: Base, api: ResourcePart, methodVerb: string): RequestInfo {
  const { rest } = api;
  const special = rest[0] === 'watch' || rest[0] === 'proxy' ? rest[0] : undefined;
  if (special && rest.length < 2) throw InvalidPath(`nothing follows /${special}`);
  let parts = special ? rest.slice(1) : rest;
  let namespace = '';
  if (parts[0] === 'namespaces' && parts.length > 1) {
    namespace = parts[1]!;
    if (parts.length > 2 && !namespaceSubresources.has(parts[2]!)) parts = parts.slice(2);
  }
  // Not by spreading, which would cost more than the rest of the reading.
  const info: RequestInfo = {
    method,
    isResource: true,
    verb: special ?? methodVerb,
    apiPrefix: api.apiPrefix,
    apiGroup: api.apiGroup,
    apiVersion: api.apiVersion,
    namespace,
    resource: parts[0]!,
    subresource: special === 'proxy' ? '' : (parts[2] ?? ''),
    name: parts[1] ?? '',
    path,
    query,
  };
  return info.name === '' && !special ? collectionInfo(info) : info;
}

/** Without a name, delete is deletecollection, and get is list or watch, for which a field selector may supply the name. */
function collectionInfo(info: RequestInfo): RequestInfo {
  if (info.verb === 'delete') return { ...info, verb: 'deletecollection' };
  if (info.verb !== 'get') return info;
  const verb = asksToWatch(info.query) ? 'watch' : 'list';
  const name = exactName(firstValue(info.query, 'fieldSelector') ?? '');
  if (name === undefined) return { ...info, verb };
  requireReadableOptions(info.query);
  return { ...info, verb, name };
}

/** The API server forgets the name, and then refuses the request, when it cannot read one of the other options. */
function requireReadableOptions(query: QueryPairs): void {
  for (const key of ['limit', 'timeoutSeconds']) {
    const value = firstValue(query, key);
    if (value !== undefined && !/^[+-]?\d{1,18}$/.test(value)) throw InvalidPath(`its ${key} is no number`);
  }
  const labels = firstValue(query, 'labelSelector') ?? '';
  if (labels !== '' && !isLabelSelector(labels)) throw InvalidPath('its labelSelector cannot be read');
}

/** Kubernetes reads every spelling but an absent parameter, `0` and `false` as true. */
function asksToWatch(query: QueryPairs): boolean {
  const value = firstValue(query, 'watch');
  return value !== undefined && value !== '0' && value.toLowerCase() !== 'false';
}

const deciders = new Set(['watch', 'fieldSelector', 'follow']);

/** Keeps the first value of each parameter a decision reads, so that nobody upstream can read the second. */
function singleDeciders(pairs: QueryPairs): QueryPairs {
  const seen = new Set<string>();
  return pairs.filter(([key]) => {
    if (!deciders.has(key)) return true;
    const isFirst = !seen.has(key);
    seen.add(key);
    return isFirst;
  });
}

/** Path and query as they go upstream. */
export function upstreamTarget(info: RequestInfo, query: QueryPairs = info.query): string {
  return info.path + formatQuery(query);
}

// The paths that tell what an API server can do, and nothing about what is in it. Not audited.
const discovery =
  /^\/(?:version|healthz|livez|readyz|(?:healthz|livez|readyz)\/[\w.-]+|api|api\/[^/]+|apis|apis\/[^/]+(?:\/[^/]+)?|openapi\/v[23]|openapi\/v3\/.+)$/;

/** Whether a request only reads what the API server offers: API groups, OpenAPI documents, version, health. */
export function isDiscovery(info: RequestInfo): boolean {
  return !info.isResource && (info.method === 'GET' || info.method === 'HEAD') && discovery.test(info.path);
}

/** Whether an answer may go on for as long as the client likes. */
export function isLongLived(info: RequestInfo): boolean {
  return (
    info.verb === 'watch' || (info.subresource === 'log' && firstValue(info.query, 'follow') !== undefined)
  );
}

const switching = new Set(['exec', 'attach', 'portforward', 'proxy']);

/** Whether it may switch protocols. A watch over a WebSocket would not be filtered, so only what has no other way may. */
export function switchesProtocols(info: RequestInfo): boolean {
  return switching.has(info.subresource);
}
