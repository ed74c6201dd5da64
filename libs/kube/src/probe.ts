import type { V1SelfSubjectAccessReview } from '@kubernetes/client-node';
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
  const { gitVersion } = (await ask(server, { path: '/version', signal })) as { gitVersion?: unknown };
  return typeof gitVersion === 'string' ? gitVersion.replaceAll(/[^\w.+-]/g, '').slice(0, 64) : '';
}

/** What an agent may need to impersonate. */
const impersonated = ['users', 'groups', 'serviceaccounts'] as const;

/** Which of users, groups and service accounts our credentials may not impersonate. */
export async function missingImpersonation(server: ApiServer): Promise<string[]> {
  const reviews = await Promise.all(impersonated.map((resource) => mayImpersonate(server, resource)));
  return impersonated.filter((_, index) => !reviews[index]);
}

async function mayImpersonate(server: ApiServer, resource: string): Promise<boolean> {
  const review: V1SelfSubjectAccessReview = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes: { verb: 'impersonate', resource } },
  };
  const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
  const { status } = (await ask(server, { path, body: JSON.stringify(review) })) as V1SelfSubjectAccessReview;
  return status?.allowed === true;
}

interface Question {
  readonly path: string;
  readonly body?: string;
  readonly signal?: AbortSignal | undefined;
}

async function ask(server: ApiServer, { path, body, signal }: Question): Promise<object> {
  const timeout = AbortSignal.timeout(probeMs);
  const headers = ['host', server.host, 'accept', 'application/json', ...server.authorization()];
  try {
    const answer = await request(server.origin + server.basePath + path, {
      dispatcher: server.requests,
      method: body === undefined ? 'GET' : 'POST',
      headers: body === undefined ? headers : [...headers, 'content-type', 'application/json'],
      body: body ?? null,
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    const text = await readCapped(answer.body);
    if (answer.statusCode >= 300) throw ApiServerUnreachable(`it answered ${answer.statusCode}`);
    return JSON.parse(text) as object;
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
