import { delay, messageOf } from '@postern/core';
import { generateKeyPair, HeldIdentity, type IdentityMaterial } from '@postern/identity';
import type { Telemetry } from '@postern/telemetry';
import { after, type Certifier, certifyHost } from './certify.ts';

const maxSleepMs = 60_000;
const retryMs = 5_000;

/** Repeats something with a life of its own at two thirds of that life, until stopped. */
export async function keepFresh(
  what: string,
  {
    telemetry,
    signal,
    lifeMs,
  }: { readonly telemetry: Telemetry; readonly signal: AbortSignal; readonly lifeMs: number },
  renew: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    await sleep((lifeMs * 2) / 3, signal);
    while (!signal.aborted) {
      const error = await renew().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      if (error === undefined) break;
      telemetry.log.error(`${what} could not be renewed`, { error: messageOf(error) });
      await sleep(retryMs, signal);
    }
  }
}

/** join-svc certifies itself: it is the only service that asks nobody. */
export async function issueOwnIdentity(
  certifier: Certifier,
  own: { readonly id: string; readonly lifeMs: number },
): Promise<{ held: HeldIdentity; renew: () => Promise<void> }> {
  let generation = 1;
  const held = new HeldIdentity(await issue(certifier, { ...own, generation }), certifier.clock);
  return {
    held,
    renew: async () => {
      generation += 1;
      held.replace(await issue(certifier, { ...own, generation }));
    },
  };
}

interface Own {
  readonly id: string;
  readonly generation: number;
  readonly lifeMs: number;
}

async function issue(certifier: Certifier, { id, generation, lifeMs }: Own): Promise<IdentityMaterial> {
  const { privateKey: key, publicKey } = await generateKeyPair();
  const notAfter = after(certifier.clock, lifeMs);
  const certificate = await certifyHost(certifier, { id, generation, roles: ['Auth'], publicKey, notAfter });
  const { hostCa, userCa, hostChain, clusterName } = certifier.authorities;
  return { key, certificate, hostCa, userCa, hostChain, clusterName };
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  const until = performance.now() + ms;
  while (!signal.aborted && performance.now() < until) {
    await delay(Math.min(maxSleepMs, Math.max(0, until - performance.now())), signal).catch(() => {});
  }
}
