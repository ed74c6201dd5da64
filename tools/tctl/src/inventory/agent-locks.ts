import type { Api, ResourceDocument } from '@postern/client';
import { AppError, isPlainObject } from '@postern/core';

/** What is said of an agent that a lock is on. */
export interface AgentLock {
  readonly lock: string;
  readonly lockMessage: string;
}

/** The locks on agents and on the tokens by which they joined, by the agents' ids; none for who may not see locks. */
export async function agentLocks(api: Api): Promise<ReadonlyMap<string, AgentLock>> {
  const locks = (await unlessDenied(api.resources.list('lock'))) ?? [];
  const found = new Map<string, AgentLock>();
  for (const { metadata, spec } of locks.toReversed()) {
    const { message } = spec;
    const lock = { lock: metadata.name, lockMessage: typeof message === 'string' ? message : '' };
    for (const agentId of await agentsUnder(api, spec)) found.set(agentId, lock);
  }
  return found;
}

async function agentsUnder(api: Api, { target }: ResourceDocument['spec']): Promise<readonly string[]> {
  if (!isPlainObject(target)) return [];
  const { server_id: agentId, join_token: token } = target;
  if (typeof agentId === 'string') return [agentId];
  if (typeof token !== 'string' || !token.startsWith(tokenPrefix)) return [];
  return (await unlessDenied(api.agentsOfToken(token.slice(tokenPrefix.length)))) ?? [];
}

const tokenPrefix = 'sha256:';

async function unlessDenied<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof AppError && error.kind === 'permission_denied') return undefined;
    throw error;
  }
}
