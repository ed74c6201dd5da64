import type { Bus } from '@postern/bus';
import { trustSubject } from '@postern/contracts';
import { type Clock, messageOf } from '@postern/core';
import { caPin, signTrustNews } from '@postern/identity';
import type { Telemetry } from '@postern/telemetry';
import type { Authorities } from '../authorities/authorities.ts';
import type { JoinStore } from '../database.ts';
import { countFollowers } from './followers.ts';

/** What is told of whom to trust. */
export interface TrustTeller {
  /** As it was told last, signed by each host authority. */
  readonly statements: readonly string[];
  /** Signs and tells the trust of this moment. */
  tell(authorities: Authorities): Promise<void>;
  /** Tells it again, to whoever did not hear it: while a rotation is under way, and for a while after. */
  repeat(authorities: Authorities): Promise<void>;
}

/** Fifty renewals a second are less than joins of as many. */
const perAgentMs = 20;
const minSpreadMs = 1_000;
const maxSpreadMs = 3_600_000;
/** Who comes back to the bus asks for the trust, so that only a message that was lost matters here. */
const repeatForMs = 3_600_000;

/** Tells joined processes by the bus. Where the bus is away they ask when it is back. */
export function trustTeller({
  bus,
  store,
  clock,
  telemetry,
}: {
  readonly bus: Pick<Bus, 'publish'>;
  readonly store: JoinStore;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}): TrustTeller {
  let statements: readonly string[] = [];
  const tell = async (authorities: Authorities) => {
    const { total } = await countFollowers(store.db, authorities.revision, clock());
    statements = await signed(authorities, total);
    try {
      bus.publish(trustSubject, { statements });
    } catch (error) {
      telemetry.log.warn('the trust was not told on the bus', { error: messageOf(error) });
    }
  };
  return {
    get statements() {
      return statements;
    },
    tell,
    repeat: async (authorities) => {
      const { phase, lastRotated } = authorities.rotation;
      const isRecent = lastRotated !== undefined && clock().getTime() - Date.parse(lastRotated) < repeatForMs;
      if (phase !== 'standby' || isRecent) await tell(authorities);
    },
  };
}

function signed(authorities: Authorities, agents: number): Promise<string[]> {
  const { clusterName, revision, hostCa, userCa, hostChain, issuers, rotation, hostSigners } = authorities;
  const { mode, graceSeconds = 0 } = rotation.current ?? {};
  const longest = mode === 'automatic' ? Math.min(maxSpreadMs, (graceSeconds * 1000) / 6) : maxSpreadMs;
  const news = {
    clusterName,
    revision,
    hostCa,
    userCa,
    hostChain,
    issuers: { agent: caPin(issuers.agent.certificate), svc: caPin(issuers.svc.certificate) },
    spreadMs: Math.round(Math.min(longest, Math.max(minSpreadMs, agents * perAgentMs))),
  };
  return Promise.all(hostSigners.map(({ privateKey }) => signTrustNews(news, privateKey)));
}
