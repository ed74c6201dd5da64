import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { AppError } from '@postern/core';
import { assertionHeader } from '@postern/identity';
import type { Telemetry } from '@postern/telemetry';
import type { HttpLimits } from './limits.ts';
import { problemMediaType, problemOf } from './problem.ts';

/** The head of a request, before anything is done for it. */
export interface RequestHead {
  readonly method: string;
  /** With its query. */
  readonly url: string;
  /** The other end of the connection. */
  readonly sourceIp: string;
}

/** Whom not to hear. */
export interface TurnAway {
  /** What they are told, all of them. */
  readonly answer: AppError;
  /** Asked about each request that no edge speaks for; must be cheap, since a flood is made of those for which it says yes. */
  readonly isUnwelcome: (head: RequestHead) => boolean;
  /** Milliseconds until they are told: a flood that waits for its answers is as fast as it has connections, which are bounded. */
  readonly afterMs: number;
}

/**
 * Answers the unwelcome by one ready answer: nothing of their body is looked at, nothing is authenticated, and each is counted and not
 * logged. Their connection is kept where the rest of the request is short, since a new one costs ten times as much to both.
 */
export function turningAway(
  handler: RequestListener,
  { answer, isUnwelcome, afterMs }: TurnAway,
  { telemetry, limits }: { readonly telemetry: Pick<Telemetry, 'meter'>; readonly limits: HttpLimits },
): RequestListener {
  const turnedAway = telemetry.meter.createCounter('http_server_turned_away_total', {
    description: 'Requests that were refused unread.',
  });
  const problem = problemOf(answer);
  const body = Buffer.from(JSON.stringify(problem));
  const headers = {
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'content-type': problemMediaType,
    'content-length': body.length,
  };
  const refuse = (request: IncomingMessage, response: ServerResponse) => {
    turnedAway.add(1);
    const isShort = Number(request.headers['content-length'] ?? Number.NaN) <= limits.bodyBytes;
    const told = isShort ? headers : { ...headers, connection: 'close' };
    setTimeout(() => response.writeHead(problem.status, told).end(body), afterMs);
  };
  return (request, response) => {
    const { method = '', url = '', socket } = request;
    const isForwarded = request.headers[assertionHeader] !== undefined;
    const head = { method, url, sourceIp: socket.remoteAddress ?? '' };
    if (isForwarded || !isUnwelcome(head)) handler(request, response);
    else refuse(request, response);
  };
}
