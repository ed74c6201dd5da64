import { delay, messageOf } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import { continuesAt } from './rotation.ts';
import { continueRotation, type RotationDeps } from './rotate.ts';
import type { TrustTeller } from './tell-trust.ts';

/** How late a replica learns at most what another one recorded. */
const lookEveryMs = 500;
const repeatEveryMs = 30_000;

interface FollowerDeps extends RotationDeps {
  readonly teller: TrustTeller;
  readonly telemetry: Telemetry;
  /** SPIFFE id of this process. */
  readonly by: string;
}

/**
 * Follows rotations that other replicas record, and moves an automatic one on when its time has come. Every replica does so: the
 * command is named by the phase that it leaves, so that it is done once, and nobody has to be elected.
 */
export function followRotation(deps: FollowerDeps): AsyncDisposable {
  const ended = new AbortController();
  const running = follow(deps, ended.signal);
  return {
    [Symbol.asyncDispose]: async () => {
      ended.abort();
      await running;
    },
  };
}

async function follow(deps: FollowerDeps, signal: AbortSignal): Promise<void> {
  let repeated = performance.now();
  while (!signal.aborted) {
    await delay(lookEveryMs, signal).catch(() => {});
    if (signal.aborted) return;
    try {
      await look(deps);
      if (performance.now() - repeated < repeatEveryMs) continue;
      repeated = performance.now();
      await deps.teller.repeat(deps.authorities.current());
    } catch (error) {
      deps.telemetry.log.warn('the rotation of authorities is not known now', { error: messageOf(error) });
    }
  }
}

async function look(deps: FollowerDeps): Promise<void> {
  const { authorities, clock, by, telemetry } = deps;
  await authorities.refresh();
  const { rotation } = authorities.current();
  const at = continuesAt(rotation);
  if (!at || at > clock()) return;
  const { rotationId } = rotation.current!;
  await continueRotation(deps, { rotationId, phase: rotation.phase }, by);
  telemetry.log.info('an automatic rotation of authorities moved on', { from: rotation.phase });
}
