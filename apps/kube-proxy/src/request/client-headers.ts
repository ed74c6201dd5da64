import { failure } from '@postern/core';

/** More headers than any client of Kubernetes sends. */
export const TooManyHeaders = failure(
  'resource_exhausted',
  'kube.too_many_headers',
  () => 'the request has too many headers',
);

/** A request whose framing headers no honest client sends. */
export const InvalidHeaders = failure(
  'invalid_argument',
  'kube.invalid_headers',
  (why: string) => `invalid headers: ${why}`,
);

/** The API server does not unpack bodies, and we would have to bound what comes out of one before reading a name in it. */
export const UnsupportedEncoding = failure(
  'invalid_argument',
  'kube.unsupported_encoding',
  (encoding: string) =>
    `a request body with content-encoding ${JSON.stringify(encoding.slice(0, 40))} is not accepted; send it as it is`,
);

/** What Postern reads of a request's headers. Everything that is not here ends at the edge. */
export interface ClientHeaders {
  /** Name and value in turn, of the allowlist; names in lower case. */
  readonly forward: readonly string[];
  readonly accept: string | undefined;
  readonly contentType: string | undefined;
  readonly contentLength: string | undefined;
  readonly acceptsGzip: boolean;
  readonly userAgent: string;
  /** Raw `Impersonate-*` headers, name and value in turn, names in lower case. */
  readonly impersonation: readonly string[];
  readonly upgrade: string | undefined;
  /** Handshake headers of an upgrade, name and value in turn. */
  readonly handshake: readonly string[];
  /** The signed grant an edge sends to an agent; ignored from anybody else. */
  readonly grant: string | undefined;
  readonly requestId: string | undefined;
  readonly clientAddress: string | undefined;
}

// An allowlist because a denylist loses to the next spelling: identity headers of front proxies, method and URL overrides,
// cookies and hop-by-hop headers are all dropped by not being here.
const forwarded = new Set([
  'accept-language',
  'cache-control',
  'content-type',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-unmodified-since',
  'user-agent',
]);

const handshakes = new Set([
  'sec-websocket-key',
  'sec-websocket-protocol',
  'sec-websocket-version',
  'x-stream-protocol-version',
]);

const maxHeaders = 200;

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly string[] ? string[] : T[K] };

/** Reads raw headers, name and value in turn, in one pass. */
export function readClientHeaders(raw: readonly string[]): ClientHeaders {
  if (raw.length > 2 * maxHeaders) throw TooManyHeaders();
  const found: Mutable<ClientHeaders> = {
    forward: [],
    accept: undefined,
    contentType: undefined,
    contentLength: undefined,
    acceptsGzip: false,
    userAgent: '',
    impersonation: [],
    upgrade: undefined,
    handshake: [],
    grant: undefined,
    requestId: undefined,
    clientAddress: undefined,
  };
  for (let at = 0; at < raw.length; at += 2) take(found, raw[at]!.toLowerCase(), raw[at + 1]!);
  return found;
}

function take(found: Mutable<ClientHeaders>, name: string, value: string): void {
  if (forwarded.has(name)) {
    if (found.forward.includes(name)) throw InvalidHeaders(`${name} is there twice`);
    found.forward.push(name, value);
  }
  if (handshakes.has(name)) found.handshake.push(name, value);
  else if (isImpersonation(name)) found.impersonation.push(name, value);
  else takeSingle(found, name, value);
}

function takeSingle(found: Mutable<ClientHeaders>, name: string, value: string): void {
  switch (name) {
    case 'accept':
      found.accept = found.accept === undefined ? value : `${found.accept},${value}`;
      return;
    case 'content-type':
      found.contentType = value;
      return;
    case 'content-encoding':
      if (value.trim().toLowerCase() !== 'identity') throw UnsupportedEncoding(value);
      return;
    case 'content-length':
      found.contentLength = value;
      return;
    case 'accept-encoding':
      found.acceptsGzip = /(?:^|[,\s])gzip(?![^,]*q=0(?:\.0*)?(?:[,\s]|$))/.test(value);
      return;
    case 'user-agent':
      found.userAgent = value;
      return;
    case 'upgrade':
      found.upgrade = value;
      return;
    case 'postern-grant':
      found.grant = value;
      return;
    case 'postern-request-id':
      found.requestId = value;
      return;
    case 'postern-client-address':
      found.clientAddress = value;
      return;
    default:
  }
}

// Servers behind other gateways read `_` and `.` as `-`; whoever spells it that way means to be read so.
function isImpersonation(name: string): boolean {
  return name.startsWith('impersonat') && /^impersonate[-_.]/.test(name);
}
