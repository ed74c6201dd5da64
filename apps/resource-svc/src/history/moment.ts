import { ResourceUpserted, type StoredEvent } from '@postern/contracts';
import { failure } from '@postern/core';
import type { ResourceRef } from '../resources/resource-name.ts';
import type { ResourceStore } from '../resources/run-command.ts';
import { isExpired } from '../resources/resource.ts';
import type { RecordedContent } from './field-changes.ts';
import { allSteps, eventOf, type RecordedStep, stepAt } from './recorded.ts';
import { contentOf } from './resource-change.ts';

/** A resource that never was, as far as events tell. */
export const NeverExisted = failure(
  'not_found',
  'resource.never_existed',
  (what: string) => `${what} not found: there was never one`,
);

/** A time at which there was no such resource. */
export const NotThere = failure(
  'not_found',
  'resource.not_there_then',
  (what: string, at: string, periods: string) => `${what} did not exist at ${at}: it existed ${periods}`,
);

/** A revision that is not one of the resource's. */
export const UnknownRevision = failure(
  'not_found',
  'resource.unknown_revision',
  (what: string, revision: string) =>
    `${JSON.stringify(revision.slice(0, 100))} is not a revision of ${what}: see its history`,
);

/** A revision with which the resource ended. */
export const EndedThen = failure(
  'not_found',
  'resource.ended_then',
  (what: string, revision: string, periods: string) =>
    `${what} was deleted with revision ${revision}: it existed ${periods}`,
);

/** How a resource is found in time. */
export interface Moment {
  readonly ref: ResourceRef;
  /** How it is called in messages. */
  readonly what: string;
  readonly at: { readonly time: Date } | { readonly revision: string };
}

/** A resource as it was. */
export interface PastResource extends RecordedContent {
  readonly version: number;
  readonly event: StoredEvent;
}

type Store = Pick<ResourceStore['store'], 'db' | 'find'>;

/** The resource at a moment, or a refusal that says when there was one. */
export async function resourceAt(store: Store, { ref, what, at }: Moment): Promise<PastResource> {
  const steps = await allSteps(store.db, ref);
  if (steps.length === 0) throw NeverExisted(what);
  const step = 'time' in at ? lastUntil(steps, at.time) : stepAt(ref, steps, at.revision);
  if (!step && 'revision' in at) throw UnknownRevision(what, at.revision);
  const past = step && (await pastOf(store, step));
  if (past && !('time' in at && isExpired(past.resource, at.time))) return past;
  const periods = await periodsText(store, steps);
  if ('revision' in at) throw EndedThen(what, at.revision, periods);
  throw NotThere(what, at.time.toISOString(), periods);
}

/** A clock may have been set back between two changes: the order of recording decides, not the times. */
function lastUntil(steps: readonly RecordedStep[], time: Date): RecordedStep | undefined {
  return steps.findLast((step) => step.at <= time);
}

async function pastOf(store: Store, step: RecordedStep): Promise<PastResource | undefined> {
  if (step.type !== ResourceUpserted.type) return undefined;
  const event = await eventOf(store, step);
  const content = contentOf(event);
  return content && { ...content, version: step.version, event };
}

interface Period {
  readonly first: RecordedStep;
  readonly last: RecordedStep;
  /** The deletion that ended it. */
  readonly end: RecordedStep | undefined;
}

/** When there was such a resource, in the order of time. */
function periodsOf(steps: readonly RecordedStep[]): Period[] {
  const periods: Period[] = [];
  for (const [index, step] of steps.entries()) {
    if (step.type !== ResourceUpserted.type) continue;
    const isContinued = steps[index - 1]?.type === ResourceUpserted.type;
    const { first } = (isContinued && periods.pop()) || { first: step };
    periods.push({ first, last: step, end: steps[index + 1] });
  }
  return periods;
}

const shownPeriods = 5;

async function periodsText(store: Store, steps: readonly RecordedStep[]): Promise<string> {
  const periods = periodsOf(steps);
  const shown = periods.slice(-shownPeriods).map(async (period) => {
    const until = await endOf(store, period);
    const begin = `from ${period.first.at.toISOString()}`;
    return until ? `${begin} until ${until.toISOString()}` : `${begin} on`;
  });
  return `${periods.length > shown.length ? 'last ' : ''}${(await Promise.all(shown)).join(', and ')}`;
}

/** What expired ended when its time had passed, which is recorded a little later. */
async function endOf(store: Store, { last, end }: Period): Promise<Date | undefined> {
  const { expires } = contentOf(await eventOf(store, last))!.resource.metadata;
  const expiry = expires === undefined ? undefined : new Date(expires);
  return expiry && (!end || expiry < end.at) ? expiry : end?.at;
}
