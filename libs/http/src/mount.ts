import { type Clock, derivedUuid, isUuid, uuidv7 } from '@postern/core';
import { type AssertionAudience, type Principal, spiffeId, type TrustBundle } from '@postern/identity';
import { inCause, inSpan, type Telemetry } from '@postern/telemetry';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { checkBodyHeaders } from './body.ts';
import { type Caller, callerOf, type IsRevoked } from './caller.ts';
import { Forbidden, InvalidRequest, Unauthenticated } from './failures.ts';
import { recordOf } from './observe.ts';
import { type Allow, Answer, type RequestInfo, type Route } from './route.ts';
import { type Shape, shapeOf } from './shape.ts';

/** What a mounted operation needs besides its own dependencies. */
export interface MountDeps<Deps> {
  readonly deps: Deps;
  readonly trust: () => TrustBundle;
  readonly service: AssertionAudience;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly isRevoked?: IsRevoked | undefined;
}

interface Admitted {
  readonly principal: Principal | undefined;
  readonly params: Record<string, unknown>;
  readonly query: Record<string, unknown>;
  readonly request: RequestInfo;
}

/**
 * Mounts an operation. Who calls, and whether that one may, is settled before the first byte of the body is read; then the
 * body is checked. There is no way around either.
 */
export function mount<Deps>(app: FastifyInstance, route: Route<Deps>, mountDeps: MountDeps<Deps>): void {
  const { deps, telemetry } = mountDeps;
  const admitted = new WeakMap<FastifyRequest, Admitted>();
  const admit = admission(route, mountDeps);
  const body = route.body && shapeOf(route.body, 'body');
  app.route({
    method: route.method,
    url: route.url,
    ...(route.bodyLimit === undefined ? {} : { bodyLimit: route.bodyLimit }),
    onRequest: async (request) => void admitted.set(request, await admit(request)),
    handler: async (request, reply) => {
      const call = { ...admitted.get(request)!, body: body ? body(request.body) : undefined };
      const { traceparent } = recordOf(request);
      const work = async () =>
        inCause(
          () => ({ correlationId: call.request.id }),
          () => route.handle(deps, call),
        );
      const options = { kind: 'SERVER', parent: traceparent } as const;
      return send(
        reply,
        await inSpan(telemetry.tracer, `${route.method} ${route.url}`, options, work),
        route.status,
      );
    },
  });
}

type Admission = (request: FastifyRequest) => Promise<Admitted>;

function admission<Deps>(route: Route<Deps>, mountDeps: MountDeps<Deps>): Admission {
  const params = route.params && shapeOf(route.params, 'params');
  const query = route.query && shapeOf(route.query, 'query');
  return async (request) => {
    const caller = await callerOf(request.raw, mountDeps);
    const record = Object.assign(recordOf(request), identified(caller));
    checkCaller(route.allow, caller);
    const hasBody = checkBodyHeaders(request.raw);
    if (hasBody && !route.body) throw InvalidRequest('this operation takes no body');
    const parts = { params: partOf(params, request.params), query: partOf(query, request.query) };
    const info = { ...record, commandId: commandIdOf(request, caller.principal), headers: request.headers };
    const { principal } = caller;
    if (typeof route.allow === 'function' && principal) {
      const isAllowed = await route.allow({ deps: mountDeps.deps, principal, ...parts, request: info });
      if (!isAllowed) throw Forbidden();
    }
    return { principal, ...parts, request: info };
  };
}

function identified({ principal, requestId, sourceIp }: Caller) {
  return {
    sourceIp,
    ...(principal ? { principal } : {}),
    ...(requestId === undefined ? {} : { id: requestId }),
  };
}

function checkCaller(allow: Allow<never>, { principal, isForwarded }: Caller): void {
  if (allow === 'public') return;
  if (!principal) throw Unauthenticated();
  const isJoined = principal.type === 'agent' || principal.type === 'svc';
  if (allow === 'agent' && !isJoined) throw Forbidden();
  if (allow === 'service' && (principal.type !== 'svc' || isForwarded)) throw Forbidden();
}

function partOf(shape: Shape | undefined, value: unknown): Record<string, unknown> {
  return shape ? (shape({ ...(value as object) }) as Record<string, unknown>) : {};
}

/** Bound to the caller, so that nobody can be answered with what somebody else's command did. */
function commandIdOf({ headers }: FastifyRequest, principal: Principal | undefined): string {
  const given = headers['postern-command-id'];
  if (given === undefined) return uuidv7();
  if (typeof given !== 'string' || !isUuid(given))
    throw InvalidRequest('Postern-Command-Id must be a lower-case UUID');
  return derivedUuid('command', principal ? spiffeId(principal) : '', given);
}

function send(reply: FastifyReply, replied: unknown, declaredStatus: number | undefined): FastifyReply {
  const { body, status, headers } = replied instanceof Answer ? replied : new Answer(replied);
  void reply.headers(headers);
  if (body === undefined) return reply.code(status ?? declaredStatus ?? 204).send();
  void reply.code(status ?? declaredStatus ?? 200);
  return reply.type('application/json; charset=utf-8').send(JSON.stringify(body));
}
