import { once } from 'node:events';
import { messageOf } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import { IdentityEnded } from './join-client.ts';
import type { AgentIdentity } from './open-identity.ts';

/** A service that runs by an identity. */
export interface RunsByIdentity {
  readonly identity: Pick<AgentIdentity, 'lost'>;
}

/** Where a service opens what it runs on, and when it need not go on with that. */
export interface Beginning {
  readonly scope: AsyncDisposableStack;
  readonly signal: AbortSignal;
}

/** A service that is begun again when its identity is refused. Closing it closes what it runs on. */
export interface KeptService<T> extends AsyncDisposable {
  /** As it was begun first. */
  readonly first: T;
  /** Settles only when the service cannot go on: with the error why. */
  readonly ended: Promise<never>;
}

interface Running<T> {
  readonly service: T;
  readonly scope: AsyncDisposableStack;
}

interface KeepOptions {
  /** For the log. */
  readonly name: string;
  readonly telemetry: Pick<Telemetry, 'log'>;
  /** Whether it goes on when its identity is taken from it: services tell of locks, and so of the end of a lock on themselves. */
  readonly staysWhenTaken?: boolean;
  /** When the process is told to stop. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Begins a service, and begins it again, from its identity on, when the control plane does not know the identity any more: its
 * certificate and its name are part of everything that it runs on. An identity that was taken from it ends the service, unless it is
 * one that stays.
 */
export async function keepService<T extends RunsByIdentity>(
  begin: (beginning: Beginning) => Promise<T>,
  { name, telemetry, staysWhenTaken = false, signal: stop }: KeepOptions,
): Promise<KeptService<T>> {
  const { log } = telemetry;
  const closed = new AbortController();
  const signal = stop ? AbortSignal.any([stop, closed.signal]) : closed.signal;
  let running = await run(begin, signal);
  const first = running.service;
  const follow = async (): Promise<never> => {
    for (;;) {
      const { lost } = running.service.identity;
      if (!lost.aborted) await once(lost, 'abort', { signal });
      if (IdentityEnded.is(lost.reason)) {
        if (!staysWhenTaken) throw lost.reason;
        log.error('the identity was taken away', { service: name, reason: lost.reason.message });
        if (!signal.aborted) await once(signal, 'abort');
        signal.throwIfAborted();
      }
      log.warn('the identity was refused; the service begins again', {
        service: name,
        reason: messageOf(lost.reason),
      });
      await running.scope.disposeAsync();
      running = await run(begin, signal);
    }
  };
  const following = follow();
  const ended = following.catch((error: unknown) => {
    // That the process is told to stop is no error of a service.
    if (signal.aborted) return new Promise<never>(() => {});
    log.error('the service cannot go on', { service: name, error: messageOf(error) });
    throw error;
  });
  // Nobody looks at it before every service has started.
  ended.catch(() => {});
  const close = async () => {
    closed.abort();
    await following.catch(() => {});
    await running.scope.disposeAsync();
  };
  return { first, ended, [Symbol.asyncDispose]: close };
}

async function run<T>(begin: (beginning: Beginning) => Promise<T>, signal: AbortSignal): Promise<Running<T>> {
  await using scope = new AsyncDisposableStack();
  const service = await begin({ scope, signal });
  return { service, scope: scope.move() };
}
