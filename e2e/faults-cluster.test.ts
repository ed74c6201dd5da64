import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { factConsumers } from '@postern/bus';
import {
  checkAll,
  leaderOf,
  type Load,
  type PlannedFault,
  Random,
  runSchedule,
  startLoad,
} from '@postern/dev/faults';
import { type SeparateStack, startSeparately, until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const seed = 3;
/** How long nothing may be acknowledged by the bus. A bound of the product, so the one time that is asserted. */
const longestStallMs = 5000;

describe('a NATS cluster of three nodes', () => {
  let folder: string;
  let stack: SeparateStack;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-cluster-'));
    stack = await startSeparately(folder, 2, { natsNodes: 3 });
  });

  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  test('loses nothing and goes on taking facts when each node is killed in turn', async () => {
    await lose([0, 1, 2].map((node) => async () => `nats-${node}`));
  });

  test('loses nothing and goes on taking facts when their leader is killed again and again', async () => {
    const leader = async ({ ledger }: Load) => leaderOf(stack, ledger.factStreams().at(-1)!);
    const streams = await lose([leader, leader, leader]);
    expect(streams.length).toBeGreaterThan(3);
  });

  /** Kills one after the other under load and looks at everything. Answers which streams took the facts. */
  async function lose(victims: readonly ((load: Load) => Promise<string>)[]): Promise<string[]> {
    await using load = await startLoad(stack, {
      name: `at${Date.now()}`,
      random: new Random(seed),
      writers: 4,
    });
    const { ledger } = load;
    const unmended: string[] = [];
    for (const victim of victims) {
      await until('each stream of facts is led by another node', leadersAreSpread, { withinMs: 60_000 });
      await until('a fact is kept', () => ledger.factStreams().length > 0);
      const fault: PlannedFault = { kind: 'kill', target: await victim(load), atMs: 1000, forMs: 1000 };
      unmended.push(...(await runSchedule(stack, [fault], () => {})));
    }
    await load.stop();
    const [facts, resources] = (['facts', 'resources'] as const).map((of) => ledger.longestGapMs(of));
    process.stdout.write(
      `longest time without an acknowledgement: ${seconds(facts!)} by the bus (${ledger.factStreams().join(', ')}), ${seconds(resources!)} by Postgres\n`,
    );
    expect([...unmended, ...(await checkAll(stack, load))]).toEqual([]);
    expect(facts).toBeLessThanOrEqual(longestStallMs);
    return ledger.factStreams();
  }

  async function leadersAreSpread(): Promise<boolean> {
    const leaders = await Promise.all(factConsumers.map(({ stream }) => leaderOf(stack, stream)));
    return new Set(leaders).size === factConsumers.length;
  }
});

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
