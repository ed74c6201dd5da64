import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '@postern/core';
import { type RunningProcess, until } from '@postern/testkit';
import type { SoakGround } from './soak-ground.ts';

/** Something that happened to a process, and until when its effects may be seen. Times are `Date.now()`. */
export interface Disturbance {
  readonly what: DisturbanceKind;
  readonly target: string;
  readonly from: number;
  readonly to: number;
}

export type DisturbanceKind = 'kill agent' | 'stop agent' | 'roll edge' | 'kill edge';

/** One that is planned. */
export interface PlannedDisturbance {
  readonly what: DisturbanceKind;
  /** Which edge or agent, 0 or 1. */
  readonly at: number;
}

/** Every kind at every process once; what comes is this list over and over. */
export const round: readonly PlannedDisturbance[] = [
  { what: 'kill agent', at: 0 },
  { what: 'roll edge', at: 0 },
  { what: 'stop agent', at: 1 },
  { what: 'roll edge', at: 1 },
  { what: 'kill agent', at: 1 },
  { what: 'kill edge', at: 1 },
  { what: 'stop agent', at: 0 },
  { what: 'roll edge', at: 0 },
];

const recoveryMs = 90_000;
const stopMs = 60_000;
/** What a client sees of a process that ended comes a little later. */
const afterMs = 2000;

/** What was done to edges and agents. */
export class Disturbances {
  readonly past: Disturbance[] = [];
  readonly findings: string[] = [];
  #current: Omit<Disturbance, 'to'> | undefined;

  /** Whether something happened between two moments. */
  coveredBy(from: number, to: number, kinds?: readonly DisturbanceKind[]): boolean {
    const all = [...this.past, ...(this.#current ? [{ ...this.#current, to: Infinity }] : [])];
    return all.some(
      (one) => one.from <= to && one.to + afterMs >= from && (!kinds || kinds.includes(one.what)),
    );
  }

  count(what: DisturbanceKind): number {
    return this.past.filter((one) => one.what === what).length;
  }

  /** Does it and waits until both edges hold tunnels of both agents again. */
  async cause(ground: SoakGround, { what, at }: PlannedDisturbance): Promise<void> {
    const target = what.endsWith('agent') ? ground.agents.names[at]! : `kube-proxy-${at}`;
    this.#current = { what, target, from: Date.now() };
    try {
      await acts[what](ground, at);
      await until(`everything is well after ${what} ${target}`, () => ground.isWhole(), {
        withinMs: recoveryMs,
        everyMs: 200,
      });
    } catch (error) {
      this.findings.push(messageOf(error));
    } finally {
      this.past.push({ ...this.#current, to: Date.now() });
      this.#current = undefined;
    }
  }
}

const acts: Readonly<Record<DisturbanceKind, (ground: SoakGround, at: number) => Promise<void>>> = {
  'kill agent': async ({ agents }, at) => {
    await agents.process(at).kill9();
    await agents.start(at);
  },
  'stop agent': async ({ agents }, at) => {
    await stopGently(agents.process(at));
    await agents.start(at);
  },
  'roll edge': async ({ stack }, at) => {
    await stopGently(stack.process('kube-proxy', at));
    await stack.restart(`kube-proxy-${at}`);
  },
  'kill edge': async ({ stack }, at) => {
    await stack.process('kube-proxy', at).kill9();
    await stack.restart(`kube-proxy-${at}`);
  },
};

/** As an orchestrator does: SIGTERM, and as much time as it takes. It must end by itself, and well. */
async function stopGently({ name, pid, exited }: RunningProcess): Promise<void> {
  process.kill(pid, 'SIGTERM');
  const patience = new AbortController();
  const outcome = await Promise.race([
    exited,
    delay(stopMs, 'no end' as const, { signal: patience.signal }).catch(() => 'no end' as const),
  ]);
  patience.abort();
  if (outcome !== 0) throw new Error(`${name} ended with ${outcome} after SIGTERM`);
}
