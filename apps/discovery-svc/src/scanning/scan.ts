import { compileLabels } from '@postern/access';
import { AwsDenied, type Eks, type EksClusterFacts } from '@postern/aws';
import { AppError, messageOf } from '@postern/core';
import { labelsOfCluster } from '@postern/contracts';
import type { Pace } from './pace.ts';
import type { Source } from './source.ts';

/** Why a scan did not see everything. */
export interface ScanProblem {
  readonly action: 'eks:ListClusters' | 'eks:DescribeCluster';
  /** Code of the failure, `aws.denied` where a permission is missing: that of the action. */
  readonly code: string;
  readonly message: string;
  /** The permission that is missing, where one is. */
  readonly permission?: string;
  readonly cluster?: string;
}

/** What a scan saw, and whether that was everything. Nothing may be concluded from what an incomplete one has not seen. */
export interface Scan {
  readonly isComplete: boolean;
  /** How many clusters there are, as far as they were listed. */
  readonly listed: number;
  /** The ones to be enrolled, by name. */
  readonly found: readonly EksClusterFacts[];
  /** How many are in no state to be enrolled, and how many do not match. */
  readonly notReady: number;
  readonly notMatching: number;
  readonly problems: readonly ScanProblem[];
}

interface ScanDeps {
  readonly eks: Pick<Eks, 'listClusters' | 'describeCluster'>;
  readonly pace: Pace;
  readonly signal: AbortSignal;
}

const describedAtOnce = 5;
/** Pages of a hundred: nobody has so many clusters in a region, and a service that goes on telling of more is not EKS. */
const maxPages = 500;
const maxProblems = 20;
const enrolled = new Set(['ACTIVE', 'UPDATING']);

/**
 * Looks at every cluster of a source. What goes wrong with AWS becomes part of the result; it throws only when its signal is aborted,
 * for then the result counts no longer.
 */
export async function scan(source: Source, deps: ScanDeps): Promise<Scan> {
  const problems: ScanProblem[] = [];
  const names = await listNames(source, deps, problems);
  const described = await describeAll(source, { names, deps, problems });
  const ready = described.filter(({ status }) => enrolled.has(status));
  const matches = compileLabels(source.matcher.tags);
  const found = ready.filter((each) => matches(labelsOfCluster(each)).matches);
  return {
    isComplete: problems.length === 0,
    listed: names.length,
    found: found.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
    notReady: described.length - ready.length,
    notMatching: ready.length - found.length,
    problems: problems.slice(0, maxProblems),
  };
}

/** The names that were listed before something went wrong, each once. */
async function listNames(
  { as }: Source,
  { eks, pace, signal }: ScanDeps,
  problems: ScanProblem[],
): Promise<string[]> {
  const names = new Set<string>();
  const tokens = new Set<string>();
  let after: string | undefined;
  try {
    do {
      const { names: more, next } = await pace.ask(() => eks.listClusters(as, { after, signal }), signal);
      for (const name of more) names.add(name);
      after = next;
      if (after !== undefined && (tokens.has(after) || tokens.size >= maxPages))
        throw new Error('the pages of clusters have no end');
      if (after !== undefined) tokens.add(after);
    } while (after !== undefined);
  } catch (error) {
    signal.throwIfAborted();
    problems.push(problemOf('eks:ListClusters', error));
  }
  return [...names];
}

interface ToDescribe {
  readonly names: readonly string[];
  readonly deps: ScanDeps;
  readonly problems: ScanProblem[];
}

/** A cluster that is gone by the time it is asked about is gone, and no problem. */
async function describeAll(
  { as }: Source,
  { names, deps: { eks, pace, signal }, problems }: ToDescribe,
): Promise<EksClusterFacts[]> {
  const found: EksClusterFacts[] = [];
  const waiting = names.values();
  const work = async () => {
    for (const name of waiting) {
      try {
        const cluster = await pace.ask(() => eks.describeCluster(as, name, { signal }), signal);
        if (cluster) found.push(cluster);
      } catch (error) {
        signal.throwIfAborted();
        problems.push(problemOf('eks:DescribeCluster', error, name));
        // What is denied for one is mostly denied for all, and asking on would only load the account.
        if (AwsDenied.is(error) && problems.length >= maxProblems) return;
      }
    }
  };
  await Promise.all(Array.from({ length: describedAtOnce }, work));
  return found;
}

function problemOf(action: ScanProblem['action'], error: unknown, cluster?: string): ScanProblem {
  return {
    action,
    code: error instanceof AppError ? error.code : 'aws.malformed_answer',
    message: messageOf(error).slice(0, 500).toWellFormed(),
    ...(AwsDenied.is(error) ? { permission: permissionIn(error, action) } : {}),
    ...(cluster === undefined ? {} : { cluster }),
  };
}

/** A role may not be assumed before anything of EKS is asked. */
function permissionIn(error: AppError, action: string): string {
  return /^AWS denied (\w+:\w+) in /.exec(error.message)?.[1] ?? action;
}
