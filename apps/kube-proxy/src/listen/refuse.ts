import { type AppError, failureKinds } from '@postern/core';
import { statusBody, statusCode } from '@postern/kube';
import type { Answer } from './exchange.ts';

/** Answers a kube request with a metav1.Status, which is what Kubernetes clients print well. */
export function refuseKube(answer: Answer, error: AppError): void {
  sendText(answer, statusCode(error), statusBody(error), statusHeaders(error));
}

/** Codes of refusals after which the same request may be sent again at once. */
const sentAgain = new Set(['kube.send_again', 'kube.edge_starting']);

/** The header by which an agent tells an edge that it does not serve the cluster, and so has done nothing. */
export const notServedHeader = 'postern-not-served';
const notServed = 'kube.cluster_not_served';

/** Headers of a refusal. Clients of Kubernetes wait and try again by themselves when they are told how long. */
export function statusHeaders(error: AppError): string[] {
  const isForNow = statusCode(error) === 429 || sentAgain.has(error.code);
  return [
    'content-type',
    'application/json',
    ...(isForNow ? ['retry-after', '1'] : []),
    ...(error.code === notServed ? [notServedHeader, '1'] : []),
  ];
}

/** The same for a client that reads aggregated discovery: kubectl does not read a Status there, but prints plain text. */
export function refuseDiscovery(answer: Answer, error: AppError): void {
  // It replaces the text of a 404 by its own, and would hide what is missing.
  const status = statusCode(error) === 404 ? 403 : statusCode(error);
  sendText(answer, status, error.message, ['content-type', 'text/plain; charset=utf-8']);
}

/** Whether a client asks for aggregated discovery. */
export function readsDiscovery(rawHeaders: readonly string[]): boolean {
  return rawHeaders.some((text) => text.includes('as=APIGroupDiscoveryList'));
}

/** Answers an API request with problem details (RFC 9457). */
export function refuseApi(answer: Answer, error: AppError): void {
  const status = failureKinds[error.kind].http;
  const title = failureKinds[error.kind].reason;
  const body = JSON.stringify({
    type: 'about:blank',
    title,
    status,
    detail: error.message,
    code: error.code,
  });
  sendText(answer, status, body, ['content-type', 'application/problem+json']);
}

export function sendJson(answer: Answer, status: number, value: unknown): void {
  sendText(answer, status, JSON.stringify(value), [
    'content-type',
    'application/json',
    'cache-control',
    'no-store',
  ]);
}

/** Sends a whole answer, or cuts it when one has already begun. */
export function sendText(answer: Answer, status: number, body: string, headers: readonly string[]): void {
  if (answer.status !== 0) {
    answer.abort();
    return;
  }
  const bytes = Buffer.from(body);
  answer.begin(status, [...headers, 'content-length', String(bytes.length)]);
  if (!answer.sink.destroyed) answer.sink.end(bytes);
}
