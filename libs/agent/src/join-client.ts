import type { ConnectionOptions } from 'node:tls';
import { endedIdentityCodes } from '@postern/contracts';
import { failure, isPlainObject, type Json, messageOf, parseJson } from '@postern/core';
import { Agent, request } from 'undici';
import type { Outbound } from './outbound/outbound.ts';

/** The control plane could not be reached, or is not able to answer now. */
export const ControlPlaneUnavailable = failure(
  'unavailable',
  'agent.control_plane_unavailable',
  (url: string, why: string) => `${url} cannot be asked now: ${why}`,
);

/** The control plane refused, and would refuse again. */
export const RefusedByControlPlane = failure(
  'permission_denied',
  'agent.refused',
  (message: string) => message,
);

/** The identity was taken from this process: it was revoked, locked, or copied. It does not join anew by itself. */
export const IdentityEnded = failure(
  'permission_denied',
  'agent.identity_ended',
  (message: string) => message,
);

/** An answer that does not have the form it must have. */
export const UnexpectedAnswer = failure(
  'unavailable',
  'agent.unexpected_answer',
  (url: string) => `${url} answered something that is not an answer of a control plane`,
);

/** What a connection to the control plane is secured with. */
export type CallTls = Pick<
  ConnectionOptions,
  'key' | 'cert' | 'ca' | 'minVersion' | 'rejectUnauthorized' | 'checkServerIdentity'
>;

interface Call {
  readonly url: string;
  readonly tls: CallTls;
  readonly outbound: Outbound;
  /** Sent as JSON by POST; without it the call is a GET. */
  readonly body?: Json;
  readonly signal?: AbortSignal | undefined;
}

const timeoutMs = 15_000;
const maxReplyBytes = 512 * 1024;

/**
 * Asks the control plane once. A connection is made for each call and closed after it: calls are hours apart, and the
 * certificate may have changed in between.
 */
export async function callControlPlane({ url, tls, outbound, body, signal }: Call): Promise<Json> {
  const dispatcher = new Agent({ connect: outbound.connector(() => tls, timeoutMs) });
  const deadline = AbortSignal.timeout(timeoutMs);
  try {
    const reply = await request(url, {
      dispatcher,
      signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body), headers }),
    });
    return readReply(url, reply.statusCode, await readLimited(url, reply.body));
  } catch (error) {
    if (signal?.aborted || own.some((failure) => failure.is(error))) throw error;
    throw ControlPlaneUnavailable.from(error, url, messageOf(error));
  } finally {
    await dispatcher.destroy();
  }
}

const own = [RefusedByControlPlane, IdentityEnded, ControlPlaneUnavailable, UnexpectedAnswer];
const headers = { 'content-type': 'application/json' };

async function readLimited(url: string, body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxReplyBytes) throw UnexpectedAnswer(url);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function readReply(url: string, status: number, text: string): Json {
  if (status === 200 || status === 201) return parseReply(url, text);
  const isRefusal = status >= 400 && status < 500 && status !== 408 && status !== 425 && status !== 429;
  const { detail, code } = problemIn(text);
  if (!isRefusal) throw ControlPlaneUnavailable(url, detail ?? `status ${status}`);
  const refusal = endedIdentityCodes.includes(code ?? '') ? IdentityEnded : RefusedByControlPlane;
  throw refusal(detail ?? `${url} refused with status ${status}`);
}

function parseReply(url: string, text: string): Json {
  try {
    return parseJson(text);
  } catch (error) {
    throw UnexpectedAnswer.from(error, url);
  }
}

function problemIn(text: string): { readonly detail?: string; readonly code?: string } {
  try {
    const problem = parseJson(text);
    if (!isPlainObject(problem)) return {};
    const { detail, code } = problem;
    return {
      ...(typeof detail === 'string' ? { detail: detail.slice(0, 500) } : {}),
      ...(typeof code === 'string' ? { code } : {}),
    };
  } catch {
    return {};
  }
}
