import { type Eks, regionsOf } from '@postern/aws';
import type { AwsMatcher } from '@postern/config';
import { matcherKeyOf } from '@postern/contracts';
import { messageOf } from '@postern/core';
import type { EffectiveMatcher } from '../matchers/effective-matchers.ts';
import { type Source, taskOf } from './source.ts';

/** A matcher that leads nowhere now, and why. */
export interface Unresolved {
  /** Who asked for it. */
  readonly source: string;
  readonly reason: string;
}

/** Sources by their tasks, and what could not be resolved. */
export interface ResolvedSources {
  readonly byTask: ReadonlyMap<string, Source>;
  readonly unresolved: readonly Unresolved[];
}

/** Where there is nothing else to tell the partition by, in which the process is asked who it is. */
const anyRegion = 'us-east-1';
/** As many as an agent may offer for a slot. */
const maxSources = 500;

/** What the EKS matchers come down to: an account and a region for each scan, each once. */
export async function resolveSources(
  matchers: readonly EffectiveMatcher[],
  eks: Pick<Eks, 'who'>,
): Promise<ResolvedSources> {
  const byTask = new Map<string, Source>();
  const unresolved: Unresolved[] = [];
  for (const { source, provider, matcher } of matchers) {
    if (provider !== 'aws' || !matcher.types.includes('eks') || matcher.integration !== undefined) continue;
    try {
      const sources = await sourcesOf(matcher, eks);
      for (const each of sources.filter((one) => !byTask.has(taskOf(one)))) byTask.set(taskOf(each), each);
    } catch (error) {
      unresolved.push({ source, reason: messageOf(error) });
    }
  }
  return { byTask: firstOf(byTask, unresolved), unresolved };
}

async function sourcesOf(matcher: AwsMatcher, eks: Pick<Eks, 'who'>): Promise<Source[]> {
  const { assumeRoleArn: arn, externalId, regions } = matcher;
  const own = regions[0] === '*' ? anyRegion : regions[0]!;
  // Of a role the ARN tells all; and no account is asked who it is before a scan has to.
  const [, partition, , , account] = (arn ?? (await eks.who({ region: own })).arn).split(':');
  const matcherKey = matcherKeyOf(matcher.tags);
  const role = arn === undefined ? {} : { role: { arn, externalId } };
  const named = regions[0] === '*' ? regionsOf(partition!) : regions;
  return named.map((region) => ({ as: { account: account!, region, ...role }, matcher, matcherKey }));
}

function firstOf(byTask: ReadonlyMap<string, Source>, unresolved: Unresolved[]): ReadonlyMap<string, Source> {
  if (byTask.size <= maxSources) return byTask;
  const reason = `${byTask.size} accounts, regions and matchers are more than the ${maxSources} of a process: name regions instead of "*", or split the group`;
  unresolved.push({ source: 'this process', reason });
  return new Map([...byTask].toSorted(([a], [b]) => (a < b ? -1 : 1)).slice(0, maxSources));
}
