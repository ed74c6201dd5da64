import type { RequestListener, Server } from 'node:http';
import type { Socket } from 'node:net';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { readBody } from './body.ts';
import {
  HeadersTooLarge,
  MalformedRequest,
  MethodNotAllowed,
  NoSuchOperation,
  RequestTimeout,
} from './failures.ts';
import type { HttpLimits } from './limits.ts';
import { recordOf } from './observe.ts';
import { knownError, problemMediaType, problemOf } from './problem.ts';
import type { Route } from './route.ts';

/** A resource's name has at most 253 characters, each of which may be four bytes of three characters. */
const maxParamLength = 253 * 12;

/** Fastify with our defaults: our errors, our body parser, and nothing that guesses. */
export function makeApp(
  makeServer: (handler: RequestListener) => Server,
  limits: HttpLimits,
): FastifyInstance {
  const app = Fastify({
    serverFactory: (handler) => makeServer(handler),
    logger: false,
    bodyLimit: limits.bodyBytes,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    routerOptions: {
      maxParamLength,
      caseSensitive: true,
      ignoreTrailingSlash: false,
      ignoreDuplicateSlashes: false,
    },
    frameworkErrors: (error, request, reply) =>
      refuse(error, request as FastifyRequest, reply as FastifyReply),
    clientErrorHandler: refuseRaw,
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (_: FastifyRequest, body: Buffer) => readBody(body),
  );
  app.addHook('onRequest', async (request, reply) => {
    void reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    if (request.raw.rawHeaders.length > limits.headerCount * 2) throw HeadersTooLarge();
  });
  app.setErrorHandler(refuse);
  app.setNotFoundHandler(() => {
    throw NoSuchOperation();
  });
  return app;
}

const allMethods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** Answers 405 where a path exists and the method does not. */
export function refuseOtherMethods<Deps>(app: FastifyInstance, routes: readonly Route<Deps>[]): void {
  for (const [url, own] of Map.groupBy(routes, (route) => route.url)) {
    const allowed = own.map(({ method }) => method);
    const method = allMethods.filter((name) => !(allowed as string[]).includes(name));
    const list = allowed.join(', ');
    app.route({
      method,
      url,
      onRequest: async (_, reply) => {
        void reply.header('allow', list);
        throw MethodNotAllowed(list);
      },
      handler: () => undefined,
    });
  }
}

function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const record = recordOf(request);
  record.error = error;
  const problem = problemOf(error, record.traceId);
  // The rest of a refused body is not read, so that the connection is of no further use.
  if (!request.raw.complete) void reply.header('connection', 'close');
  void reply
    .code(problem.status)
    .type(problemMediaType)
    .send(Buffer.from(JSON.stringify(problem)));
}

const rawFailures: Readonly<Record<string, () => Error>> = {
  HPE_HEADER_OVERFLOW: HeadersTooLarge,
  ERR_HTTP_REQUEST_TIMEOUT: RequestTimeout,
};

/** Answers bytes that never became a request. */
function refuseRaw(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const failure = rawFailures[error.code ?? ''] ?? MalformedRequest;
  const problem = problemOf(knownError(failure()));
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    'Connection: close',
    `Content-Type: ${problemMediaType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}
