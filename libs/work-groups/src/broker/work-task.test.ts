import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DeliveryLost, extend, isEnded, settle, take, type WorkLimits, type WorkTask } from './work-task.ts';

const limits: WorkLimits = { leaseMs: 1_000, maxAttempts: 3 };
const slotMs = 10_000;
const members = ['a', 'b', 'c'];

const offered: WorkTask = {
  group: 'g',
  slot: 0,
  slotMs,
  task: 't',
  state: 'offered',
  attempt: 0,
  returned: 0,
};

const outcomes = ['done', 'failed', 'returned'] as const;

type Step =
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'deliver' | 'extend'; readonly by: string; readonly back: number }
  | {
      readonly do: 'settle';
      readonly by: string;
      readonly back: number;
      readonly outcome: (typeof outcomes)[number];
    };

const by = fc.constantFrom(...members);
/** Mostly the present one, said of the one before or after now and then. */
const back = fc.constantFrom(0, 0, 0, 0, 1, 2, -1);

/** What members, the queue and time may do in any order: the queue delivers when it likes, members speak of any attempt. */
const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 3_000 }) }),
    fc.record({ do: fc.constantFrom('deliver' as const, 'extend' as const), by, back }),
    fc.record({ do: fc.constant('settle' as const), by, back, outcome: fc.constantFrom(...outcomes) }),
  ),
  { maxLength: 40, size: 'max' },
);

/** A task's history, checked at each step. */
class Story {
  now = 0;
  task: WorkTask = offered;
  /** Who was given which attempt. */
  readonly given = new Map<number, string>();
  readonly ends: WorkTask[] = [];

  step(step: Step): void {
    const before = this.task;
    if (step.do === 'wait') this.now += step.ms;
    else if (step.do === 'deliver') this.#deliver(step.by);
    else this.#speak(step);
    if (isEnded(before)) expect(this.task).toBe(before);
    else if (isEnded(this.task)) this.ends.push(this.task);
    expect(this.task.attempt - this.task.returned).toBeLessThanOrEqual(limits.maxAttempts);
    expect(this.task.state === 'taken').toBe(this.task.leaseUntil !== undefined);
  }

  #deliver(holder: string): void {
    const before = this.task;
    const taking = take(before, { ...limits, holder, ack: `ack-${holder}` }, this.now);
    const isHeld = before.state === 'taken' && before.leaseUntil! > this.now;
    expect(taking.step === 'forget').toBe(isEnded(before));
    expect(taking.step === 'later').toBe(isHeld);
    if (taking.step === 'later') expect(this.now + taking.afterMs).toBe(before.leaseUntil);
    if (!('task' in taking)) return;
    this.task = taking.task;
    if (taking.step === 'end') return expect(isEnded(this.task)).toBe(true);
    expect(this.given.has(this.task.attempt)).toBe(false);
    expect(this.now).toBeLessThan(2 * slotMs);
    this.given.set(this.task.attempt, holder);
  }

  #speak(step: Exclude<Step, { do: 'wait' }>): void {
    const before = this.task;
    const attempt = before.attempt - step.back;
    const claim = { holder: step.by, task: 't', attempt };
    const isOurs = step.back === 0 && this.given.get(attempt) === step.by;
    try {
      if (step.do === 'settle') {
        const { task } = settle(before, { ...claim, outcome: step.outcome }, { now: this.now, ...limits });
        if (task !== undefined) expect(before.state).toBe('taken');
        this.task = task ?? before;
      } else this.task = extend(before, claim, { now: this.now, ...limits });
      expect(isOurs).toBe(true);
    } catch (error) {
      if (!DeliveryLost.is(error)) throw error;
      expect(isOurs && before.state === 'taken').toBe(false);
    }
  }
}

describe('the record of a task', () => {
  test('lets one member at a time have it, and end it once, in any order of events', () => {
    let ended = 0;
    let contested = 0;
    fc.assert(
      fc.property(steps, (all) => {
        const story = new Story();
        for (const step of all) story.step(step);
        expect(story.ends.length).toBeLessThanOrEqual(1);
        ended += story.ends.length;
        contested += story.given.size > 1 ? 1 : 0;
      }),
      { numRuns: 5_000 },
    );
    // The schedules are worth something: many come to an end, and many change hands.
    expect(ended).toBeGreaterThan(500);
    expect(contested).toBeGreaterThan(500);
  });

  test('comes to an end whatever happened before, when the queue goes on delivering', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const story = new Story();
        for (const step of all) story.step(step);
        for (let round = 0; round <= 2 * limits.maxAttempts && !isEnded(story.task); round += 1) {
          story.step({ do: 'wait', ms: limits.leaseMs });
          story.step({ do: 'deliver', by: 'a', back: 0 });
        }
        expect(isEnded(story.task)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  test('revives a delivery whose time was over while nobody else wanted it', () => {
    const { task } = take(offered, { ...limits, holder: 'a', ack: 'x' }, 0) as { task: WorkTask };
    const extended = extend(task, { holder: 'a', task: 't', attempt: 1 }, { now: 5_000, leaseMs: 1_000 });
    expect(take(extended, { ...limits, holder: 'b', ack: 'y' }, 5_500)).toEqual({
      step: 'later',
      afterMs: 500,
    });
  });

  test('forgets a task that nobody recorded', () => {
    expect(take(undefined, { ...limits, holder: 'a', ack: 'x' }, 0)).toEqual({ step: 'forget' });
  });
});
