import { Random } from './random.ts';

/** What can go wrong with a process, a server or the way to one. */
export const faultKinds = ['kill', 'freeze', 'cut', 'stall', 'slow', 'halfOpen', 'disk', 'clock'] as const;
export type FaultKind = (typeof faultKinds)[number];

/** One thing that goes wrong for a while. */
export interface PlannedFault {
  readonly kind: FaultKind;
  /** A process, a node of a server, or a link. */
  readonly target: string;
  /** From the begin of the schedule, in milliseconds. */
  readonly atMs: number;
  readonly forMs: number;
  /** Seconds that a clock is moved by. */
  readonly seconds?: number;
}

/** What may go wrong where. */
export type FaultTargets = Partial<Readonly<Record<FaultKind, readonly string[]>>>;

/** What a schedule is made of. */
export interface SchedulePlan {
  readonly seed: number;
  readonly lengthMs: number;
  readonly targets: FaultTargets;
}

const hourSeconds = 3600;

/**
 * What goes wrong and when, decided by the seed alone. Often a fault begins before the one before it is over, but never at the
 * same target: that one is already broken.
 */
export function makeSchedule({ seed, lengthMs, targets }: SchedulePlan): PlannedFault[] {
  const random = new Random(seed);
  const kinds = faultKinds.filter((kind) => (targets[kind]?.length ?? 0) > 0);
  const planned: PlannedFault[] = [];
  for (let atMs = random.between(200, 1500); atMs < lengthMs;) {
    const fault = planFault(random, { kinds, targets, atMs });
    const isBusy = planned.some(
      ({ target, atMs, forMs }) => target === fault.target && atMs + forMs > fault.atMs,
    );
    if (!isBusy) planned.push(fault);
    atMs += random.next() < 0.3 ? random.between(50, 500) : fault.forMs + random.between(200, 2500);
  }
  return planned;
}

interface Choice {
  readonly kinds: readonly FaultKind[];
  readonly targets: FaultTargets;
  readonly atMs: number;
}

function planFault(random: Random, { kinds, targets, atMs }: Choice): PlannedFault {
  const kind = random.pick(kinds);
  const fault = { kind, target: random.pick(targets[kind]!), atMs, forMs: random.between(300, 6000) };
  return kind === 'clock' ? { ...fault, seconds: random.pick([-hourSeconds, hourSeconds]) } : fault;
}

/** A schedule for people: one fault a line. */
export function describeSchedule(schedule: readonly PlannedFault[]): string {
  return schedule.map(describeFault).join('\n');
}

/** One fault for people. */
export function describeFault({ atMs, kind, target, forMs, seconds }: PlannedFault): string {
  const by = seconds === undefined ? '' : ` by ${seconds / hourSeconds} h`;
  return `${(atMs / 1000).toFixed(1).padStart(7)} s  ${kind} ${target}${by} for ${(forMs / 1000).toFixed(1)} s`;
}
