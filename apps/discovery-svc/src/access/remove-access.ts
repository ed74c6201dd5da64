import { AwsDenied } from '@postern/aws';
import { messageOf } from '@postern/core';
import { callerOf } from './caller.ts';
import { endElevation } from './elevation.ts';
import { groupOf, purposeOf } from './entry-tags.ts';
import type { AccessOutcome } from './outcome.ts';
import type { AccessDeps, AccessTarget } from './set-up-access.ts';

/**
 * Takes back what setUpAccess gave, when a cluster does not match any more: the access entry of the agents, if this group made
 * it, and an elevation that was left. The roles in the cluster stay; nobody is in their group then. Never throws.
 */
export async function removeAccess(deps: AccessDeps, target: AccessTarget): Promise<AccessOutcome> {
  const { access } = deps.eks;
  const { as, cluster, group } = target;
  try {
    const caller = await callerOf(deps.eks, as);
    const agents = target.principal ?? caller;
    const entry = await access.describe(as, cluster, agents);
    const isOurs = entry && purposeOf(entry) === 'kube-agents' && groupOf(entry) === group;
    const isRemoved = isOurs ? await access.delete(as, cluster, agents) : false;
    await endElevation(deps, { as, cluster, group, caller });
    return { state: 'prepared', message: '', isChanged: isRemoved };
  } catch (error) {
    return { state: AwsDenied.is(error) ? 'denied' : 'failed', message: messageOf(error), isChanged: false };
  }
}
