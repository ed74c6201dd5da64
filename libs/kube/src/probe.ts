import { failure, messageOf } from '@postern/core';
import { request } from 'undici';
import type { ApiServer } from './api-server.ts';

/** An API server that did not answer a question about itself. */
export const ApiServerUnreachable = failure(
  'unavailable',
  'kube.api_server_unreachable',
  (why: string) => `the API server does not answer: ${why}`,
);

const probeMs = 5000;
const maxAnswerBytes = 65_536;

/** The version an API server says it is, such as `v1.33.1`. */
export async function readVersion(server: ApiServer, signal?: AbortSignal): Promise<string> {
  const answer = await ask(server, { path: '/version', signal });
  if (answer.status >= 300) throw ApiServerUnreachable(`it answered ${answer.status}`);
  const { gitVersion } = objectOf(answer) as { gitVersion?: unknown };
  return typeof gitVersion === 'string' ? gitVersion.replaceAll(/[^\w.+-]/g, '').slice(0, 64) : '';
}

/** A question to an API server, with our own credentials and as nobody else. */
export interface Question {
  readonly path: string;
  readonly body?: string;
  /** POST with a body, GET without one, unless given. */
  readonly method?: 'PATCH';
  /** Of the body; JSON unless given. */
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface ProbeAnswer {
  readonly status: number;
  readonly text: string;
}

/** Asks, for five seconds at most. Credentials that are refused are replaced, and it is asked once more with those. */
export async function ask(server: ApiServer, question: Question): Promise<ProbeAnswer> {
  const sent = server.authorization();
  const answer = await askOnce(server, question, sent);
  if (answer.status !== 401 || !(await server.credentials.replaced(sent))) return answer;
  return askOnce(server, question, server.authorization());
}

/** The JSON object that was answered. */
export function objectOf({ text }: ProbeAnswer): object {
  try {
    return JSON.parse(text) as object;
  } catch (error) {
    throw ApiServerUnreachable.from(error, 'its answer is not JSON');
  }
}

async function askOnce(
  server: ApiServer,
  { path, body, method, contentType = 'application/json', signal }: Question,
  authorization: readonly string[],
): Promise<ProbeAnswer> {
  const timeout = AbortSignal.timeout(probeMs);
  const headers = ['host', server.host, 'accept', 'application/json', ...authorization];
  try {
    const answer = await request(server.origin + server.basePath + path, {
      dispatcher: server.requests,
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: body === undefined ? headers : [...headers, 'content-type', contentType],
      body: body ?? null,
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    return { status: answer.statusCode, text: await readCapped(answer.body) };
  } catch (error) {
    throw ApiServerUnreachable.is(error) ? error : ApiServerUnreachable.from(error, messageOf(error));
  }
}

async function readCapped(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxAnswerBytes) throw ApiServerUnreachable('its answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
