import { once } from 'node:events';
import { IdentityEnded } from '@postern/agent';
import { messageOf } from '@postern/core';
import type { Host, Started } from './host.ts';

/** A service that is begun again when its identity is refused. */
export interface KeptService extends Pick<Started, 'name' | 'ready'> {
  /** Settles only when the service cannot go on: with the error why. */
  readonly ended: Promise<never>;
}

interface Running {
  readonly started: Started;
  readonly scope: AsyncDisposableStack;
}

/**
 * Starts a service and begins it again, from its identity on, when the control plane does not know the identity any more: its
 * certificate and its name are part of everything that it runs on. An identity that was taken from it ends the service.
 */
export async function keepService(host: Host, start: (host: Host) => Promise<Started>): Promise<KeptService> {
  let running = await begin(host, start);
  host.scope.defer(() => running.scope.disposeAsync());
  const follow = async (): Promise<never> => {
    for (;;) {
      const { lost } = running.started.identity;
      if (!lost.aborted) await once(lost, 'abort', { signal: host.signal });
      if (IdentityEnded.is(lost.reason)) throw lost.reason;
      host.telemetry.log.warn('the identity was refused; the service begins again', {
        service: running.started.name,
        reason: messageOf(lost.reason),
      });
      await running.scope.disposeAsync();
      running = await begin(host, start);
    }
  };
  const { name, ready } = running.started;
  const ended = follow().catch((error: unknown) => unlessStopped(host, error));
  // Nobody looks at it before every service has started.
  ended.catch(() => {});
  return { name, ready, ended };
}

/** When the process is told to stop, that is no error of a service. */
function unlessStopped({ signal }: Host, error: unknown): Promise<never> {
  return signal.aborted ? new Promise(() => {}) : Promise.reject(error);
}

async function begin(host: Host, start: (host: Host) => Promise<Started>): Promise<Running> {
  await using scope = new AsyncDisposableStack();
  const started = await start({ ...host, scope });
  return { started, scope: scope.move() };
}
