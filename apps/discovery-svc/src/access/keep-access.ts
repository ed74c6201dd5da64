import type { Eks, EksClusterFacts } from '@postern/aws';
import type { Pace } from '../scanning/pace.ts';
import type { Source } from '../scanning/source.ts';
import type { AccessOutcome, AccessState } from './outcome.ts';
import { pacedEks } from './paced-eks.ts';
import { removeAccess } from './remove-access.ts';
import { type AccessDeps, type AccessTarget, setUpAccess } from './set-up-access.ts';

/** A cluster to which agents could not be let in, and why. */
export interface AccessProblem {
  readonly cluster: string;
  readonly state: AccessState;
  readonly message: string;
}

/** How the access of agents stands to what a scan found. */
export interface AccessSummary {
  readonly prepared: number;
  /** The first of the clusters that agents have no access to. */
  readonly problems: readonly AccessProblem[];
  readonly withProblems: number;
}

/** What a scan found, and which clusters its group has given up by it. */
export interface AccessScan {
  readonly source: Source;
  readonly group: string;
  readonly found: readonly EksClusterFacts[];
  /** Of those that were found, the ones whose resources were made by it, as EKS names them. */
  readonly added: readonly string[];
  readonly gone: readonly string[];
  readonly pace: Pace;
  readonly signal: AbortSignal;
}

const atOnce = 5;
const maxProblems = 20;
const maxKnown = 50_000;
/** For how long an outcome is believed without another look. What failed is tried at every scan. */
const goodForMs: Partial<Record<AccessState, number>> = {
  prepared: 3_600_000,
  denied: 600_000,
  unsupported: 600_000,
  in_the_way: 600_000,
};

interface Known {
  readonly outcome: AccessOutcome;
  readonly until: number;
}

/** Lets agents into clusters that are found, and takes that back from those that are given up. */
export class AccessKeeper {
  readonly #deps: AccessDeps & { readonly eks: Eks };
  readonly #known = new Map<string, Known>();

  constructor(deps: AccessDeps & { readonly eks: Eks }) {
    this.#deps = deps;
  }

  /** Never throws for what AWS or a cluster does; only when its signal is aborted. */
  async keep(scan: AccessScan): Promise<AccessSummary> {
    const { eks } = this.#deps;
    const deps = { ...this.#deps, eks: pacedEks(eks, scan.pace, scan.signal) };
    const problems: AccessProblem[] = [];
    let prepared = 0;
    const waiting = scan.found.values();
    const work = async () => {
      for (const facts of waiting) {
        scan.signal.throwIfAborted();
        const { state, message } = await this.#outcomeFor(deps, scan, facts);
        if (state === 'prepared') prepared += 1;
        else problems.push({ cluster: facts.name, state, message: message.slice(0, 500) });
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    for (const cluster of scan.gone) {
      scan.signal.throwIfAborted();
      const { state, message } = await removeAccess(deps, targetOf(scan, cluster));
      if (state !== 'prepared') problems.push({ cluster, state, message: message.slice(0, 500) });
    }
    return {
      prepared,
      problems: problems.toSorted((a, b) => (a.cluster < b.cluster ? -1 : 1)).slice(0, maxProblems),
      withProblems: problems.length,
    };
  }

  async #outcomeFor(deps: AccessDeps, scan: AccessScan, facts: EksClusterFacts): Promise<AccessOutcome> {
    const { account, region, name, createdAt } = facts;
    const target = targetOf(scan, name);
    // A cluster that was made anew under its name knows nobody.
    const key = [account, region, name, createdAt.getTime(), target.principal ?? ''].join('/');
    const known = this.#known.get(key);
    // What was given up before, by whichever member, has to be let in again.
    const isNew = scan.added.includes(name);
    if (known && !isNew && performance.now() < known.until) return known.outcome;
    const outcome = await setUpAccess(deps, target, scan.signal);
    if (this.#known.size >= maxKnown) this.#known.clear();
    this.#known.set(key, { outcome, until: performance.now() + (goodForMs[outcome.state] ?? 0) });
    if (outcome.isChanged)
      deps.log.info('agents were let into a cluster', { cluster: name, account, region });
    return outcome;
  }
}

function targetOf({ source: { as, matcher }, group }: AccessScan, cluster: string): AccessTarget {
  return { as, cluster, group, principal: matcher.setupAccessForArn };
}
