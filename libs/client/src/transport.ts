import { delay, failure, messageOf } from '@postern/core';
import { Agent, type Dispatcher, request } from 'undici';
import { errorOfAnswer, isTransient, NotAProxy } from './problem.ts';

/** Nothing answers at the proxy's address. */
const ProxyUnreachable = failure(
  'unavailable',
  'client.proxy_unreachable',
  (address: string, why: string) => `cannot reach the proxy at ${address}: ${why}`,
);

/** What answers at the proxy's address is not signed by the authority that the identity trusts. */
const UntrustedProxy = failure(
  'unauthenticated',
  'client.untrusted_proxy',
  (address: string, why: string) =>
    `the certificate of ${address} is not trusted (${why}): is this the proxy your identity was made for?`,
);

/** Where to send requests and as whom. */
export interface TransportOptions {
  /** `host:port` of the proxy. */
  readonly proxy: string;
  /** Certificates that the proxy's certificate must chain to, PEM. */
  readonly caPem: string;
  readonly identity?: { readonly key: string; readonly certificate: string };
  /** Accept any certificate of the proxy. Whoever sits in between then reads and changes everything. */
  readonly insecure?: boolean;
  /** Milliseconds before the second attempt; each further one waits four times longer. */
  readonly backoffMs?: number;
}

/** One call. A body is sent as JSON. */
interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Gives the call up; it fails then. */
  readonly signal?: AbortSignal;
}

/** What came back of a call that succeeded. */
interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** Sends calls over one kept connection. */
export interface Transport extends AsyncDisposable {
  send(call: Call): Promise<Answer>;
}

const attempts = 4;
const timeoutMs = 30_000;
const maxResponseBytes = 256 * 1024 * 1024;

/** Opens nothing yet: the first call connects. */
export function openTransport(options: TransportOptions): Transport {
  const agent = new Agent({
    connect: {
      ca: options.caPem,
      rejectUnauthorized: !options.insecure,
      minVersion: 'TLSv1.2',
      timeout: 10_000,
      ...(options.identity ? { key: options.identity.key, cert: options.identity.certificate } : {}),
    },
    connections: 4,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    maxResponseSize: maxResponseBytes,
  });
  return {
    send: (call) => sendWithRetry(agent, options, call),
    [Symbol.asyncDispose]: () => agent.close(),
  };
}

/**
 * Every call may be sent again: reads change nothing, and commands carry an id by which the server knows a repetition.
 */
async function sendWithRetry(agent: Agent, options: TransportOptions, call: Call): Promise<Answer> {
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await sendOnce(agent, options, call);
    if ('answer' in outcome) return outcome.answer;
    if (!outcome.retry || attempt === attempts || call.signal?.aborted) throw outcome.error;
    await delay((options.backoffMs ?? 100) * 4 ** (attempt - 1) * (0.75 + Math.random() / 2));
  }
}

type Outcome = { readonly answer: Answer } | { readonly error: Error; readonly retry: boolean };

async function sendOnce(agent: Agent, options: TransportOptions, call: Call): Promise<Outcome> {
  try {
    const response = await request(`https://${options.proxy}${call.path}`, {
      dispatcher: agent,
      method: call.method,
      headers: { accept: 'application/json', ...(call.body === undefined ? {} : jsonBody), ...call.headers },
      body: call.body === undefined ? null : JSON.stringify(call.body),
      signal: call.signal ?? null,
    });
    return await outcomeOf(response, options.proxy);
  } catch (error) {
    return connectionFailure(error, options.proxy);
  }
}

const jsonBody = { 'content-type': 'application/json' } as const;

async function outcomeOf(response: Dispatcher.ResponseData, address: string): Promise<Outcome> {
  const text = await response.body.text();
  const status = response.statusCode;
  if (status < 200 || status > 299) {
    return { error: errorOfAnswer({ address, status, body: text }), retry: isTransient(status) };
  }
  if (text === '') return { answer: { status, body: undefined } };
  try {
    return { answer: { status, body: JSON.parse(text) as unknown } };
  } catch (error) {
    return { error: NotAProxy.from(error, address, status), retry: false };
  }
}

const untrusted = /^(?:UNABLE_TO|CERT_|SELF_SIGNED|DEPTH_ZERO|ERR_TLS_CERT_ALTNAME|ERR_SSL|EPROTO)/;
const hopeless = new Set(['ENOTFOUND', 'EACCES', 'ERR_INVALID_URL', 'UND_ERR_RES_EXCEEDED_MAX_SIZE']);

function connectionFailure(error: unknown, address: string): Outcome {
  const code = codeOf(error);
  if (untrusted.test(code))
    return { error: UntrustedProxy.from(error, address, reasonOf(error, code)), retry: false };
  return { error: ProxyUnreachable.from(error, address, reasonOf(error, code)), retry: !hopeless.has(code) };
}

function codeOf(error: unknown): string {
  const { code, errors } = error as { code?: unknown; errors?: unknown[] };
  if (typeof code === 'string') return code;
  return Array.isArray(errors) && errors.length > 0 ? codeOf(errors[0]) : '';
}

const spelled: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was cut',
  UND_ERR_SOCKET: 'the connection was cut',
  UND_ERR_CONNECT_TIMEOUT: 'no answer in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  ETIMEDOUT: 'no answer in time',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name could not be resolved',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'signed by another authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'signed by another authority',
  SELF_SIGNED_CERT_IN_CHAIN: 'signed by another authority',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'signed by itself',
  CERT_HAS_EXPIRED: 'it has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'it is made for another address',
};

function reasonOf(error: unknown, code: string): string {
  return spelled[code] ?? (messageOf(error) || code || 'unknown reason');
}
