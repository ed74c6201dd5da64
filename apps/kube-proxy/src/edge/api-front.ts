import { apiFront, type ApiService } from '@postern/contracts';
import { type AppError, type Clock, failure, toAppError, uuidv7 } from '@postern/core';
import {
  type Assertion,
  assertionHeader,
  clientTls,
  type HeldIdentity,
  type Principal,
  signAssertion,
} from '@postern/identity';
import type { Logger } from '@postern/telemetry';
import { Pool } from 'undici';
import { OutcomeUnknown, UpstreamUnreachable } from '../forward/answers.ts';
import { forward } from '../forward/forward.ts';
import { HttpUpstream } from '../forward/http-upstream.ts';
import type { Upstream } from '../forward/upstream.ts';
import type { Exchange } from '../listen/exchange.ts';
import { refuseApi } from '../listen/refuse.ts';
import { authenticate } from '../request/authenticate.ts';
import { readBody } from '../request/object-identity.ts';
import { formatQuery, parseQuery } from '../request/query.ts';
import { encodePath, InvalidPath, type Target } from '../request/target.ts';

export const NoSuchRoute = failure('not_found', 'edge.no_such_route', () => 'there is nothing at this path');

export const ServiceUnavailable = failure(
  'unavailable',
  'edge.service_unavailable',
  (service: string) => `${service} cannot be reached; try again later`,
);

export interface ApiFrontDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly held: HeldIdentity;
  /** Throws where a lock is on a principal that calls a service. */
  readonly refuseLocked: (principal: Principal, service: ApiService) => void;
  /** Base URLs of each service's replicas. */
  readonly services: Readonly<Record<ApiService, readonly string[]>>;
  readonly maxBodyBytes: number;
}

const methods = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']);

/** Headers of API requests that services read. */
const forwarded = new Set([
  'accept',
  'content-type',
  'if-match',
  'if-none-match',
  'postern-command-id',
  'user-agent',
]);
/** Headers of services' answers that clients get. */
const answered = ['content-type', 'etag', 'cache-control', 'retry-after', 'x-content-type-options'];

/**
 * Forwards API calls to the service that answers them, over mutual TLS, with a signed statement of who is calling. Bodies are
 * read whole first, so that a replica that cannot be reached costs nothing but the next attempt.
 */
export class ApiFront implements AsyncDisposable {
  readonly #deps: ApiFrontDeps;
  readonly #upstreams = new Map<string, { readonly upstream: Upstream; readonly pool: Pool }>();
  readonly #turn = new Map<ApiService, number>();
  readonly #stop: () => void;

  constructor(deps: ApiFrontDeps) {
    this.#deps = deps;
    this.#stop = deps.held.onChange(() => void this.#retire());
  }

  handle(exchange: Exchange, target: Target): void {
    this.#forward(exchange, target).catch((error: unknown) => {
      const refusal = toAppError(error);
      if (refusal.kind === 'internal')
        this.#deps.log.error('an API request failed unexpectedly', { error: String(error) });
      if (!exchange.answer.sink.destroyed) refuseApi(exchange.answer, refusal);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
    await this.#retire();
  }

  async #forward(exchange: Exchange, { segments, slash, query }: Target): Promise<void> {
    const path = encodePath(segments);
    const route = apiFront.find(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`));
    if (!route || !methods.has(exchange.method)) throw NoSuchRoute();
    if (slash) throw InvalidPath('it ends with a slash');
    const { clock, maxBodyBytes } = this.#deps;
    const known = exchange.peer.principal !== undefined || exchange.peer.refusal !== undefined;
    const principal = route.authenticated || known ? authenticate(exchange.peer, clock()) : undefined;
    if (principal) this.#deps.refuseLocked(principal, route.service);
    const requestId = uuidv7();
    const body = exchange.hasBody ? await readBody(exchange.body, maxBodyBytes) : undefined;
    const said = { principal, requestId, sourceIp: exchange.peer.address };
    // Not a turn may pass between this and the choice of a connection.
    const assertion = await this.#assertion(said, route.service);
    const headers = [
      ...pick(exchange.rawHeaders),
      assertionHeader,
      assertion,
      'postern-request-id',
      requestId,
    ];
    this.#send(exchange, route.service, { path: path + formatQuery(parseQuery(query)), headers, body });
  }

  /**
   * A statement for a service, by the identity of this moment: connections are opened with that, and one that another key has signed
   * is taken for that of somebody else.
   */
  async #assertion(said: Assertion, audience: ApiService): Promise<string> {
    const { clock, held } = this.#deps;
    for (;;) {
      const identity = held.current();
      const assertion = await signAssertion(identity, said, { audience, at: clock() });
      if (held.current() === identity) return assertion;
    }
  }

  #send(
    exchange: Exchange,
    service: ApiService,
    call: { path: string; headers: string[]; body: Buffer | undefined },
  ): void {
    const [first, ...others] = this.#replicas(service);
    if (!first) throw ServiceUnavailable(service);
    const request = { method: exchange.method, path: call.path, headers: call.headers, isLongLived: false };
    forward({
      upstream: first,
      request,
      body: call.body,
      answer: exchange.answer,
      responseHeaders: pickAnswered,
      retry: () => {
        const upstream = others.shift();
        return upstream && { upstream, request };
      },
      done: (error: AppError | undefined) => {
        if (!error || exchange.answer.status !== 0 || exchange.answer.sink.destroyed) return;
        this.#deps.log.warn('a service did not answer', { service, reason: error.message });
        refuseApi(
          exchange.answer,
          // Whoever changes something through a service names the command, and may send it again.
          UpstreamUnreachable.is(error) || OutcomeUnknown.is(error) ? ServiceUnavailable(service) : error,
        );
      },
    });
  }

  /** All replicas, beginning with another one each time. */
  #replicas(service: ApiService): Upstream[] {
    const urls = this.#deps.services[service];
    const turn = this.#turn.get(service) ?? 0;
    this.#turn.set(service, turn + 1);
    return urls.map((_, index) => this.#upstream(service, urls[(turn + index) % urls.length]!));
  }

  #upstream(service: ApiService, url: string): Upstream {
    const key = `${service} ${url}`;
    const known = this.#upstreams.get(key);
    if (known) return known.upstream;
    const { origin, host } = new URL(url);
    const tls = clientTls(this.#deps.held, { expect: { type: 'svc' } });
    const options: Pool.Options = {
      connect: { ...tls, timeout: 3000 } as NonNullable<Pool.Options['connect']>,
      allowH2: false,
      pipelining: 1,
      keepAliveTimeout: 30_000,
    };
    const pool = new Pool(origin, options);
    const upstream = new HttpUpstream({ origin, host, basePath: '', requests: pool, streams: pool, tls });
    this.#upstreams.set(key, { upstream, pool });
    return upstream;
  }

  async #retire(): Promise<void> {
    const old = [...this.#upstreams.values()];
    this.#upstreams.clear();
    await Promise.all(old.map(({ pool }) => pool.close()));
  }
}

function pick(raw: readonly string[]): string[] {
  const kept: string[] = [];
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at]!.toLowerCase();
    if (forwarded.has(name) && !kept.includes(name)) kept.push(name, raw[at + 1]!);
  }
  return kept;
}

function pickAnswered(headers: Readonly<Record<string, string | string[] | undefined>>): string[] {
  return answered.flatMap((name) => {
    const value = headers[name];
    return typeof value === 'string' ? [name, value] : [];
  });
}
