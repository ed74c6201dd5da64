import { SessionStarted } from '@postern/contracts';
import type { Clock } from '@postern/core';
import { derivedUuid } from '@postern/core';
import type { Certifier } from '../authorities/certify.ts';
import type { JoinStore } from '../database.ts';

/** What beginning a session needs. */
export interface SessionDeps {
  readonly store: JoinStore;
  readonly certifier: Certifier;
  readonly clock: Clock;
}

/** A session that begins. */
export interface NewSession {
  readonly session: string;
  readonly user: string;
  /** SPIFFE id of who began it. */
  readonly by: string;
  readonly notAfter: Date;
}

/** Records that a session began. A certificate leaves the house only after this. */
export async function startSession(
  { store }: SessionDeps,
  { session, user, by, notAfter }: NewSession,
): Promise<void> {
  const event = SessionStarted({ session, user, by, notAfter: notAfter.toISOString() });
  await store.append([
    {
      stream: `session/${session}`,
      version: 1,
      id: derivedUuid('session', session),
      event,
      meta: { actor: by },
    },
  ]);
}
