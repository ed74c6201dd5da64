import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkAll, leaderOf, type PlannedFault, Random, runSchedule, startLoad } from '@postern/dev/faults';
import { type SeparateStack, startSeparately } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const seed = 3;

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

  test('loses nothing when each node is killed in turn', async () => {
    await lose([0, 1, 2].map((node) => async () => `nats-${node}`));
  });

  test('loses nothing when the leader of the facts is killed again and again', async () => {
    await lose([1, 2, 3].map(() => () => leaderOf(stack, 'FACT')));
  });

  async function lose(victims: readonly (() => Promise<string>)[]): Promise<void> {
    await using load = await startLoad(stack, {
      name: `at${Date.now()}`,
      random: new Random(seed),
      writers: 4,
    });
    const unmended: string[] = [];
    for (const victim of victims) {
      const fault: PlannedFault = { kind: 'kill', target: await victim(), atMs: 1000, forMs: 1000 };
      unmended.push(...(await runSchedule(stack, [fault], () => {})));
    }
    await load.stop();
    const { ledger } = load;
    const seconds = (of: 'facts' | 'resources') => (ledger.longestGapMs(of) / 1000).toFixed(1);
    // What is asserted is completeness; the time depends on the machine and on what else it does.
    process.stdout.write(
      `longest time without an acknowledgement: ${seconds('facts')} s by the bus, ${seconds('resources')} s by Postgres\n`,
    );
    expect([...unmended, ...(await checkAll(stack, load))]).toEqual([]);
  }
});
