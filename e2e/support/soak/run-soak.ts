import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '@postern/core';
import { type AuditCounts, checkAudit } from './audit-check.ts';
import { Disturbances, type PlannedDisturbance, round } from './disturb.ts';
import { holdingsAtRest, leaksSince } from './leak-check.ts';
import { Ledger } from './ledger.ts';
import { type Holdings, holdingsOf } from './processes.ts';
import type { SoakGround } from './soak-ground.ts';
import { type LoadReport, startSoakLoad } from './soak-load.ts';

/** How long what takes. Milliseconds. */
export interface SoakPlan {
  /** Load without any disturbance, before and after: what processes hold after each of them is compared. */
  readonly calmMs: number;
  /** Load under which edges and agents come and go. */
  readonly roughMs: number;
  /** Between one recovery and the next disturbance. */
  readonly pauseMs: number;
  /** What happens, once; without it everything that can, over and over until `roughMs` have passed. */
  readonly disturbances?: readonly PlannedDisturbance[];
  /** Ends it early. */
  readonly signal?: AbortSignal;
  readonly progress: (line: string) => void;
}

/** Everything that was seen. */
export interface SoakReport {
  readonly ledger: Ledger;
  readonly disturbances: Disturbances;
  readonly loads: readonly LoadReport[];
  readonly first: Holdings;
  readonly last: Holdings;
  readonly audit: AuditCounts;
  /** What must not be, in sentences; empty where all is well. */
  readonly findings: readonly string[];
}

const progressMs = 60_000;

/** Runs the load, first calm, then rough, then calm again, and looks at everything that must hold. */
export async function runSoak(ground: SoakGround, plan: SoakPlan): Promise<SoakReport> {
  const ledger = new Ledger();
  const disturbances = new Disturbances();
  const deps = { ground, ledger, disturbances };
  const signal = plan.signal ?? new AbortController().signal;
  const loads: LoadReport[] = [];
  const begin = performance.now();
  const tell = (text: string) => plan.progress(`${clock(performance.now() - begin)}  ${text}`);
  ledger.onFailure = ({ kind, text }) => tell(`FAILED ${kind}: ${text}`);
  const ticking = setInterval(() => tell(progressOf(deps)), progressMs);
  try {
    tell('calm load');
    const calm = await startSoakLoad(deps, 'first');
    await wait(plan.calmMs, signal);
    loads.push(await calm.stop());
    const first = await holdingsAtRest(ground);
    tell('load while edges and agents come and go');
    const load = await startSoakLoad(deps, 'rough');
    await disturb(deps, { ...plan, signal }, tell);
    loads.push(await load.stop());
    tell('calm load');
    const again = await startSoakLoad(deps, 'last');
    await wait(plan.calmMs, signal);
    loads.push(await again.stop());
    tell('what is left of it');
    const restless = await holdingsAtRest(ground).then(
      () => [],
      (error: unknown) => [messageOf(error)],
    );
    const leaks = await leaksSince(first, ground);
    const audit = await checkAudit(ground, ledger.answered);
    const seen = { ledger, disturbances, loads, first, last: holdingsOf(ground), audit };
    return { ...seen, findings: [...findingsOf(deps, loads), ...restless, ...leaks, ...audit.findings] };
  } finally {
    clearInterval(ticking);
  }
}

interface Deps {
  readonly ground: SoakGround;
  readonly ledger: Ledger;
  readonly disturbances: Disturbances;
}

async function disturb(
  { ground, disturbances }: Deps,
  { roughMs, pauseMs, disturbances: given, signal }: SoakPlan & { readonly signal: AbortSignal },
  tell: (text: string) => void,
): Promise<void> {
  const end = performance.now() + roughMs;
  const calmAt = performance.now() + (2 / 3) * roughMs;
  for (let at = 0; given ? at < given.length : performance.now() < end; at += 1) {
    await wait(pauseMs, signal);
    if (signal.aborted) return;
    const next = given ? given[at]! : round[at % round.length]!;
    // The first edge and the second agent are left alone at the end, so that what they hold then has grown for long.
    if (!given && performance.now() > calmAt && isLongLived(next)) continue;
    const before = performance.now();
    await disturbances.cause(ground, next);
    tell(`${next.what} ${next.at}: whole again after ${((performance.now() - before) / 1000).toFixed(1)} s`);
  }
}

function isLongLived({ what, at }: PlannedDisturbance): boolean {
  return what.endsWith('edge') ? at === 0 : at === 1;
}

async function wait(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}

/** What nobody can know may be only where something was killed a moment ago. */
function findingsOf({ ledger, disturbances }: Deps, loads: readonly LoadReport[]): string[] {
  const isExcused = (at: number) => disturbances.coveredBy(at, at, ['kill agent', 'kill edge']);
  return [
    ...disturbances.findings,
    ...ledger.failures.map(({ kind, at, text }) => `${new Date(at).toISOString()} ${kind}: ${text}`),
    ...ledger.unknowns
      .filter(({ at }) => !isExcused(at))
      .map(
        ({ kind, at, how }) =>
          `${new Date(at).toISOString()} ${kind}: not known whether it was done (${how}), and nothing was killed`,
      ),
    ...loads.flatMap(({ informed }) => informed.missed),
  ];
}

function progressOf({ ledger, disturbances, ground }: Deps): string {
  const memory = [...holdingsOf(ground)]
    .filter(([name]) => /^kube-proxy|^agent/.test(name))
    .map(([name, { rssMegabytes, handles }]) => `${name} ${Math.round(rssMegabytes)} MB ${handles} fd`);
  const { failures, unknowns } = ledger;
  return `${ledger.done} done, ${failures.length} failed, ${unknowns.length} unknown, ${disturbances.past.length} disturbances; ${memory.join(', ')}`;
}

function clock(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
