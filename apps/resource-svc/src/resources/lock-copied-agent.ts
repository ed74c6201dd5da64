import { lockKind, type Resource } from '@postern/contracts';
import { derivedUuid } from '@postern/core';
import { type ResourceStore, runCommand } from './run-command.ts';

const message =
  'its identity was copied: remove the stored identity wherever it does not belong, then this lock; or let it join again with a token';

/**
 * Locks agents whose identity was copied. Which of the two is the copy nobody can tell, so both are stopped until a person has
 * looked. The event makes the command's id: told again, it changes nothing, and a lock that a person has removed since stays away.
 */
export function copiedAgentLocker(deps: ResourceStore): (agentId: string, eventId: string) => Promise<void> {
  return async (agentId, eventId) => {
    const now = deps.clock();
    const ref = { kind: 'lock', id: `copied-identity-${agentId}` };
    const command = { type: 'WriteResource', mode: 'put', ref, secrets: {}, dropped: [], now } as const;
    await runCommand(deps, {
      command: { ...command, resource: lockOn(agentId, ref.id, now) },
      commandId: derivedUuid('lock-copied-agent', eventId),
    });
  };
}

function lockOn(agentId: string, name: string, now: Date): Resource {
  const spec = { target: { server_id: agentId }, message };
  const document = { kind: 'lock', version: 'v2', metadata: { name }, spec };
  return lockKind.normalize(document, { now }) as unknown as Resource;
}
