import { messageOf, randomHex, uuidv7 } from '@postern/core';
import { type Principal, spiffeId } from '@postern/identity';
import { durationBuckets, parseTraceparent, type Telemetry } from '@postern/telemetry';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { LogBudget } from './log-budget.ts';
import { knownError } from './problem.ts';

/** What is known about a request from its first moment on. The parts that authentication finds are filled in later. */
export interface RequestRecord {
  id: string;
  readonly traceId: string;
  readonly traceparent: string | undefined;
  sourceIp: string;
  principal?: Principal;
  error?: unknown;
}

const records = new WeakMap<FastifyRequest, RequestRecord>();

/** The record of a request. */
export function recordOf(request: FastifyRequest): RequestRecord {
  let record = records.get(request);
  if (!record) {
    record = newRecord(request);
    records.set(request, record);
  }
  return record;
}

function newRecord(request: FastifyRequest): RequestRecord {
  const header = request.headers['traceparent'];
  const traceparent = typeof header === 'string' ? header : undefined;
  const parent = parseTraceparent(traceparent);
  return {
    id: uuidv7(),
    traceId: parent?.traceId ?? randomHex(16),
    traceparent: parent && traceparent,
    sourceIp: request.raw.socket.remoteAddress ?? '',
  };
}

/**
 * Logs and measures every request when it is over, but of refused strangers no more than they can be trusted with. The path is told as its pattern only: what stands in it may be the name
 * of a token, which is a secret.
 */
export function observeRequests(app: FastifyInstance, telemetry: Telemetry): void {
  const duration = telemetry.meter.createHistogram('http_server_request_duration_seconds', {
    description: 'Time from the header of a request to the end of its reply.',
    advice: { explicitBucketBoundaries: durationBuckets },
  });
  const active = telemetry.meter.createUpDownCounter('http_server_active_requests', {
    description: 'Requests that are being answered.',
  });
  const budget = new LogBudget(telemetry.log);
  app.addHook('onRequest', async () => active.add(1));
  app.addHook('onResponse', async (request, reply) => {
    active.add(-1);
    const labels = { method: request.method, route: patternOf(request), status: String(reply.statusCode) };
    duration.record(reply.elapsedTime / 1000, labels);
    const isStrangers = recordOf(request).principal === undefined && reply.statusCode >= 400;
    if (reply.statusCode >= 500 || !isStrangers || budget.take()) log(telemetry, request, reply);
  });
}

function log({ log }: Telemetry, request: FastifyRequest, reply: FastifyReply): void {
  const { id, traceId, sourceIp, principal, error } = recordOf(request);
  const fields = {
    method: request.method,
    route: patternOf(request),
    status: reply.statusCode,
    durationMs: Math.round(reply.elapsedTime * 10) / 10,
    requestId: id,
    traceId,
    sourceIp,
    ...(principal ? { principal: spiffeId(principal) } : {}),
  };
  const isOurs = reply.statusCode >= 500 && error !== undefined;
  if (isOurs) log.error('a request failed', { ...fields, error: knownError(error) });
  else log.info('a request was answered', { ...fields, ...refusalOf(error) });
}

/** What was wrong with a refused request: the caller is told the code, the reason behind it only we are. */
function refusalOf(error: unknown): { readonly code?: string; readonly reason?: string } {
  if (error === undefined) return {};
  const { code, message, cause } = knownError(error);
  return { code, reason: cause === undefined ? message : messageOf(cause) };
}

function patternOf(request: FastifyRequest): string {
  return request.routeOptions.url ?? 'none';
}
