import type { Bus } from '@postern/bus';
import type { Eks } from '@postern/aws';
import { type Clock, failure } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import { joinGroup, type Run } from '@postern/work-groups';
import type { AccessKeeper, AccessSummary } from '../access/keep-access.ts';
import type { EffectiveMatcher } from '../matchers/effective-matchers.ts';
import { reconcile, type Reconciled } from '../reconciling/reconcile.ts';
import { Pace } from './pace.ts';
import { resolveSources, type ResolvedSources } from './resolve-sources.ts';
import { scan, type Scan } from './scan.ts';
import type { Source } from './source.ts';

/** A task that comes from a member with another configuration. */
export const UnknownSource = failure(
  'failed_precondition',
  'discovery.unknown_source',
  (task: string) =>
    `this member has no matcher for ${task}: members of one group must be configured alike, or be given groups of their own`,
);

/** What a scan of a group needs. */
export interface ScanGroupDeps {
  readonly bus: Bus;
  readonly agentId: string;
  readonly eks: Eks;
  readonly access: AccessKeeper;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
}

export interface ScanGroupOptions {
  readonly group: string;
  readonly pollIntervalMs: number;
  readonly matchers: () => readonly EffectiveMatcher[];
}

/** A member that scans, until it is closed. */
export interface ScanGroup extends AsyncDisposable {
  /** Takes changed matchers up at once. */
  matchersChanged(): void;
  /** What is looked at, as it was when that was last worked out. */
  sources(): readonly string[];
}

/** What is kept of a scan, for people: how much it saw, what kept it from seeing all, and what came of it. */
export type ScanSummary = Omit<Scan, 'found'> &
  Omit<Reconciled, 'added' | 'gone'> & { readonly found: number; readonly access: AccessSummary };

/** Each waits for AWS most of the time, at the pace of its own account and region. */
const scansAtOnce = 16;
const maxPaces = 2_000;

/** Takes part in the scans of a group: each source once in a poll interval, whoever of its members is free. */
export function scanGroup(deps: ScanGroupDeps, options: ScanGroupOptions): ScanGroup {
  const { bus, agentId, telemetry, clock } = deps;
  const { group, pollIntervalMs: slotMs, matchers } = options;
  const paces = new Map<string, Pace>();
  let told = '';
  let sources: readonly string[] = [];

  const resolve = async (): Promise<ResolvedSources> => {
    const resolved = await resolveSources(matchers(), deps.eks);
    const text = JSON.stringify(resolved.unresolved);
    if (text !== told)
      for (const fields of resolved.unresolved)
        telemetry.log.warn('a matcher cannot be scanned', { ...fields });
    told = text;
    sources = [...resolved.byTask.keys()];
    return resolved;
  };

  const run = async (task: string, { slot, attempt, signal }: Run): Promise<ScanSummary> => {
    const source = (await resolve()).byTask.get(task);
    if (!source) throw UnknownSource(task);
    const pace = paceOf(paces, source);
    const seen = await scan(source, { eks: deps.eks, pace, signal });
    const { account, region } = source.as;
    const { added, gone, ...reconciled } = await reconcile(
      { bus, agentId, delivery: { group, slot, task, attempt }, signal },
      seen,
      { group, account, region, matcherKey: source.matcherKey },
    );
    const { found, ...rest } = seen;
    const access = await deps.access.keep({ source, group, found, added, gone, pace, signal });
    const summary = { ...rest, ...reconciled, found: found.length, access };
    tell(telemetry, task, summary);
    return summary;
  };

  const member = joinGroup(bus, {
    agentId,
    group,
    slotMs,
    tasksOf: async () => [...(await resolve()).byTask.keys()],
    run,
    concurrency: scansAtOnce,
    telemetry,
    clock,
  });
  return {
    matchersChanged: () => member.offerNow(),
    sources: () => sources,
    [Symbol.asyncDispose]: () => member[Symbol.asyncDispose](),
  };
}

/** Everything that asks about an account in a region asks at one pace. */
function paceOf(paces: Map<string, Pace>, { as: { account, region } }: Source): Pace {
  const key = `${account}/${region}`;
  const pace = paces.get(key) ?? new Pace();
  if (paces.size >= maxPaces) paces.clear();
  paces.set(key, pace);
  return pace;
}

function tell({ log }: Telemetry, task: string, summary: ScanSummary): void {
  const { isComplete, listed, found, changed, problems, notDone, access } = summary;
  const fields = { task, listed, found, changed };
  if (isComplete) log.info('a scan is complete', fields);
  else log.warn('a scan did not see everything, so that nothing is deleted by it', { ...fields, problems });
  if (access.problems.length > 0)
    log.warn('agents have no access to clusters that were found', { task, ...access });
  if (notDone.length > 0) log.warn('clusters that were found are left alone', { task, clusters: notDone });
}
