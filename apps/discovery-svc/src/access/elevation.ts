import { AccessEntryExists, type Eks, type EksAs } from '@postern/aws';
import { type Clock, delay, messageOf } from '@postern/core';
import type { Logger } from '@postern/telemetry';
import { entryTags, groupOf, purposeOf } from './entry-tags.ts';

/** What an elevation is made with. */
export interface ElevationDeps {
  readonly eks: Pick<Eks, 'access'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long to wait before an elevation is tried to be ended again, and twice that the next time. Milliseconds. */
  readonly endRetryMs: number;
}

/** Who is made administrator of which cluster, and for which discovery group. */
export interface Elevated {
  readonly as: EksAs;
  readonly cluster: string;
  readonly group: string;
  /** ARN of the role of this process. */
  readonly caller: string;
}

/** What an elevation is: ours and to be ended, not needed, or not possible now. */
export type Elevation = 'elevated' | 'has_entry' | 'busy';

/** No set-up takes as long; what is older was left behind by a process that has died. */
const staleMs = 15 * 60_000;
const endTries = 4;

/**
 * Makes this process administrator of a cluster by an access entry of its own. Where it has an entry that somebody else made,
 * that one is left alone: it is administrator by it already, or not.
 */
export async function elevate(deps: ElevationDeps, of: Elevated): Promise<Elevation> {
  const { access } = deps.eks;
  const { as, cluster, group, caller } = of;
  const there = await access.describe(as, cluster, caller);
  if (!there) await create(access, of);
  // Also after a creation: it may have been told twice, or somebody else have been faster.
  const now = there ?? (await access.describe(as, cluster, caller));
  if (!now) return 'busy';
  if (purposeOf(now) === undefined) return 'has_entry';
  const isStale = deps.clock().getTime() - now.createdAt.getTime() > staleMs;
  const isOurs = purposeOf(now) === 'elevation' && groupOf(now) === group;
  if (!isOurs && !isStale) return 'busy';
  deps.log.info('this process makes itself administrator of a cluster for a moment', placeOf(of));
  return 'elevated';
}

async function create(access: Eks['access'], { as, cluster, group, caller }: Elevated): Promise<void> {
  const tags = entryTags('elevation', group);
  await access.create(as, cluster, { principal: caller, groups: [], tags }).catch((error: unknown) => {
    if (!AccessEntryExists.is(error)) throw error;
  });
}

/**
 * Ends an elevation, also one that somebody else left. False where that did not work, which the log says; an entry that is not
 * an elevation of ours stays.
 */
export async function endElevation(deps: ElevationDeps, of: Elevated): Promise<boolean> {
  const { access } = deps.eks;
  const { as, cluster, caller } = of;
  let why = '';
  for (let tries = 0; tries < endTries; tries += 1) {
    if (tries > 0) await delay(deps.endRetryMs * 2 ** (tries - 1));
    try {
      const there = await access.describe(as, cluster, caller);
      if (!there || purposeOf(there) !== 'elevation') return true;
      await access.delete(as, cluster, caller);
      deps.log.info('this process is not administrator of a cluster any more', placeOf(of));
      return true;
    } catch (error) {
      why = messageOf(error);
    }
  }
  deps.log.error('an access entry that makes this process administrator could not be deleted', {
    ...placeOf(of),
    why,
  });
  return false;
}

function placeOf({ as: { account, region }, cluster, caller: principal }: Elevated) {
  return { cluster, account, region, principal };
}
