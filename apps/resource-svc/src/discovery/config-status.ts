import { type AwsMatcher, readAwsMatcher } from '@postern/config';
import {
  type DiscoveryConfigSpec,
  discoveryConfigKind,
  matcherKeyOf,
  type Resource,
  type WorkTaskStatus,
} from '@postern/contracts';
import { isPlainObject } from '@postern/core';
import { type Kysely, sql } from 'kysely';
import type { ResourceDb } from '../database.ts';
import { readStatus } from '../work/work-status.ts';

/** The last scan of an account and region by a matcher, as `tctl get discovery_config` shows it. */
export interface ScanStatus {
  readonly account: string;
  readonly region: string;
  readonly state: 'complete' | 'incomplete' | 'failed' | 'not yet';
  /** RFC 3339, UTC. */
  readonly ended?: string;
  /** What the member noted: how much was seen, what has changed, and what went wrong, with the permission that is missing. */
  readonly result?: Readonly<Record<string, unknown>>;
  readonly reason?: string;
}

type Db = Kysely<ResourceDb>;

/** A document with what its matchers found last, where it is one that has any. Any other is as it was. */
export async function withScans(db: Db, document: Resource): Promise<Resource> {
  if (document.kind !== discoveryConfigKind.kind) return document;
  const spec = document.spec as unknown as DiscoveryConfigSpec;
  const { tasks } = await readStatus(db, spec.discovery_group, nowOf);
  const scans = tasks.flatMap((each) => scanIn(each.state === 'done' ? each : (each.last ?? each)));
  const matchers = spec.aws.map((item, index) => {
    const matcher = matcherIn(item, index);
    const own = matcher ? scans.filter((each) => isBy(each, matcher)) : [];
    return { scans: own.map(({ scan }) => scan) };
  });
  return { ...document, status: { aws: matchers } } as Resource;
}

interface KeyedScan {
  readonly key: string;
  readonly scan: ScanStatus;
}

function scanIn({ task, state, endedAt, reason, result }: WorkTaskStatus): KeyedScan[] {
  const [, account, region, key] = /^eks\/([^/]+)\/([^/]+)\/([^/]+)$/.exec(task) ?? [];
  if (!account || !region || !key) return [];
  const seen = isPlainObject(result) ? result : undefined;
  const scan: ScanStatus = {
    account,
    region,
    state: stateOf(state, seen),
    ...(endedAt === undefined ? {} : { ended: new Date(endedAt).toISOString() }),
    ...(seen ? { result: seen } : {}),
    ...(reason === undefined ? {} : { reason }),
  };
  return [{ key, scan }];
}

function stateOf(
  state: WorkTaskStatus['state'],
  result: Record<string, unknown> | undefined,
): ScanStatus['state'] {
  if (state === 'done') return result?.['isComplete'] === true ? 'complete' : 'incomplete';
  return state === 'failed' || state === 'dropped' ? 'failed' : 'not yet';
}

function isBy(
  { key, scan: { account, region } }: KeyedScan,
  { tags, regions, assumeRoleArn }: AwsMatcher,
): boolean {
  const isThere = regions[0] === '*' || regions.includes(region);
  const isOf = assumeRoleArn === undefined || assumeRoleArn.split(':')[4] === account;
  return isThere && isOf && key === matcherKeyOf(tags);
}

/** A matcher that its members cannot read has no scans, and they say why in their logs. */
function matcherIn(item: Readonly<Record<string, unknown>>, index: number): AwsMatcher | undefined {
  try {
    return readAwsMatcher(item, `spec.aws[${index}]`);
  } catch {
    return undefined;
  }
}

async function nowOf(db: Db): Promise<number> {
  const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(db);
  return rows[0]!.now.getTime();
}
