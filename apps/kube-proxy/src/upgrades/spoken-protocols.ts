import type { Clock } from '@postern/core';
import type { Refusal } from '../forward/upgrade.ts';
import type { StreamHandshake } from './handshake.ts';

const rememberedMs = 600_000;
const maxRemembered = 10_000;

/** Which protocols an API server was seen to refuse, for a while: it may be upgraded, or stand behind another balancer. */
export class SpokenProtocols {
  readonly #clock: Clock;
  readonly #refusedUntil = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  isRefused(cluster: string, handshake: StreamHandshake): boolean {
    const until = this.#refusedUntil.get(keyOf(cluster, handshake));
    return until !== undefined && until > this.#clock().getTime();
  }

  refused(cluster: string, handshake: StreamHandshake): void {
    if (this.#refusedUntil.size >= maxRemembered) this.#refusedUntil.clear();
    this.#refusedUntil.set(keyOf(cluster, handshake), this.#clock().getTime() + rememberedMs);
  }

  forget(cluster: string, handshake: StreamHandshake): void {
    this.#refusedUntil.delete(keyOf(cluster, handshake));
  }
}

/** An older server may know one version of a protocol and not the next, so it is remembered by what was offered. */
function keyOf(cluster: string, { kind, protocol, offered }: StreamHandshake): string {
  return JSON.stringify([cluster, kind, protocol, offered]);
}

/**
 * Whether a server refused the protocol, and not the request. What Kubernetes has decided comes as a metav1.Status: whether the
 * user may, whether there is such a pod. A server or balancer that cannot switch answers with something else, or says so.
 */
export function refusesProtocol({ status, body }: Refusal): boolean {
  if (status === 401 || status === 429) return false;
  const decided = readStatus(body);
  return decided === undefined || (status === 400 && /\bupgrade\b/i.test(decided.message));
}

function readStatus(body: Buffer): { message: string } | undefined {
  try {
    const read = JSON.parse(body.toString('utf8')) as { kind?: unknown; message?: unknown } | null;
    return read?.kind === 'Status'
      ? { message: typeof read.message === 'string' ? read.message : '' }
      : undefined;
  } catch {
    return undefined;
  }
}
