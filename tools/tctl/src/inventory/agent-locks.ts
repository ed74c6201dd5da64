import type { Api } from '@postern/client';
import { AppError, isPlainObject } from '@postern/core';

/** What is said of an agent that a lock is on. */
export interface AgentLock {
  readonly lock: string;
  readonly lockMessage: string;
}

/** The locks on agents, by their ids; none for who may not see locks. */
export async function agentLocks(api: Api): Promise<ReadonlyMap<string, AgentLock>> {
  const locks = await api.resources.list('lock').catch((error: unknown) => {
    if (error instanceof AppError && error.kind === 'permission_denied') return [];
    throw error;
  });
  return new Map(
    locks.flatMap(({ metadata, spec }): [string, AgentLock][] => {
      const { target, message } = spec as { target?: unknown; message?: unknown };
      const id: unknown = isPlainObject(target) ? target['server_id'] : undefined;
      if (typeof id !== 'string') return [];
      return [[id, { lock: metadata.name, lockMessage: typeof message === 'string' ? message : '' }]];
    }),
  );
}
