import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  checkAll,
  describeSchedule,
  type FaultKind,
  makeSchedule,
  type PlannedFault,
  Random,
  runSchedule,
  startLoad,
  targetsOf,
} from '@postern/dev/faults';
import { type SeparateStack, startSeparately } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** One fault of every kind. */
const singles: readonly (Pick<PlannedFault, 'kind' | 'target' | 'forMs'> & { readonly seconds?: number })[] =
  [
    { kind: 'kill', target: 'postgres', forMs: 1500 },
    { kind: 'kill', target: 'nats-0', forMs: 1500 },
    // Longer than a lease: somebody else leads when it wakes.
    { kind: 'freeze', target: 'resource-svc-0', forMs: 7000 },
    { kind: 'cut', target: 'agents>nats', forMs: 2000 },
    { kind: 'stall', target: 'inventory-svc-0>postgres', forMs: 3000 },
    { kind: 'slow', target: 'join-svc-0>postgres', forMs: 2000 },
    { kind: 'halfOpen', target: 'resource-svc-0>postgres', forMs: 500 },
    { kind: 'disk', target: 'nats-0', forMs: 1500 },
    { kind: 'clock', target: 'resource-svc-0', forMs: 2000, seconds: 3600 },
    { kind: 'clock', target: 'inventory-svc-0', forMs: 2000, seconds: -3600 },
  ];

const seed = 20_261_121;
const scheduleMs = 15_000;

describe('two replicas of every service under load lose nothing', () => {
  let folder: string;
  let stack: SeparateStack;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-faults-'));
    stack = await startSeparately(folder, 2, { links: true, clocks: true, natsDiskMegabytes: 256 });
  });

  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  async function survive(schedule: readonly PlannedFault[]): Promise<string[]> {
    await using load = await startLoad(stack, {
      name: `at${Date.now()}`,
      random: new Random(seed),
      writers: 4,
    });
    const unmended = await runSchedule(stack, schedule, () => {});
    await load.stop();
    return [...unmended, ...(await checkAll(stack, load))];
  }

  test.for(singles)('during $kind of $target', async (fault, { skip }) => {
    if (!isPossible(fault.kind, fault.target)) skip(whyNot[fault.kind]);
    expect(await survive([{ ...fault, atMs: 500 }])).toEqual([]);
  });

  test('during faults of every kind one upon the other', async () => {
    const schedule = makeSchedule({ seed, lengthMs: scheduleMs, targets: targetsOf(stack) });
    const told = `npm run test:faults -- --seed ${seed}\n${describeSchedule(schedule)}`;
    expect(await survive(schedule), told).toEqual([]);
  });

  function isPossible(kind: FaultKind, target: string): boolean {
    return targetsOf(stack)[kind]?.includes(target) ?? false;
  }
});

const whyNot: Partial<Record<FaultKind, string>> = {
  disk: 'NOT RUN: a small disk can be mounted by root only',
  clock: 'NOT RUN: clocks are moved by libfaketime, which is not installed (apt-get install libfaketime)',
};
