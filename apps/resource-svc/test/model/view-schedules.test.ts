import type { Selector } from '@postern/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MemoryWorld } from './memory-world.ts';

const selectors: Selector[] = [
  { kinds: ['kube_cluster'], any: [{ labels: { '*': ['*'] } }] },
  { kinds: ['kube_cluster'], any: [{ labels: { env: ['prod'] } }] },
  {
    kinds: ['kube_cluster'],
    any: [{ labels: { env: ['prod'], team: ['a', 'b'] } }, { labels: { env: ['d*'] } }],
  },
];

const labels = fc.record(
  { env: fc.constantFrom('prod', 'dev'), team: fc.constantFrom('a', 'c') },
  { requiredKeys: [] },
);
const write = fc.record({
  do: fc.constant('write' as const),
  id: fc.constantFrom('w', 'x', 'y', 'z'),
  labels: fc.option(labels, { nil: undefined }),
});
const ofReader = fc.record({
  do: fc.constantFrom('deliver', 'deliver', 'lose', 'repeat', 'reconnect', 'page', 'page', 'page'),
  reader: fc.nat(5),
  which: fc.nat(9),
});
const ofView = fc.record({
  do: fc.constantFrom('open', 'open', 'close', 'compact', 'read', 'read'),
  view: fc.nat(selectors.length - 1),
});
const ofKeeper = fc.record({
  do: fc.constantFrom('feed', 'feed', 'feed', 'redeliver', 'crash', 'freeze', 'thaw', 'kill the server'),
  count: fc.integer({ min: 1, max: 4 }),
});
const step = fc.oneof(
  { weight: 4, arbitrary: write },
  { weight: 5, arbitrary: ofReader },
  { weight: 3, arbitrary: ofView },
  { weight: 4, arbitrary: ofKeeper },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const schedule = fc.record({
  steps: fc.array(step, { maxLength: 50 }),
  // What comes between two operations of the one that keeps the views.
  between: fc.array(fc.oneof(write, ofReader), { maxLength: 40 }),
});

async function take(world: MemoryWorld, each: Step): Promise<void> {
  if ('id' in each) return world.write(each.id, each.labels);
  if ('view' in each) return ofViews(world, each.do, selectors[each.view]!);
  if ('count' in each) return ofKeepers(world, each.do, each.count);
  const reader = world.readers[each.reader % Math.max(1, world.readers.length)];
  if (each.do === 'deliver') reader?.deliver(each.which + 1);
  else if (each.do === 'lose') reader?.lose();
  else if (each.do === 'repeat') reader?.repeat(each.which);
  else if (each.do === 'reconnect') reader?.reconnect();
  else reader?.step();
}

async function ofViews(world: MemoryWorld, action: string, selector: Selector): Promise<void> {
  if (action === 'open') return world.open(selector);
  if (action === 'close') return world.close(selector);
  if (action === 'compact') return world.compact(selector);
  world.read(selector);
}

async function ofKeepers(world: MemoryWorld, action: string, count: number): Promise<void> {
  if (action === 'feed') return world.feed(count);
  if (action === 'redeliver') return world.redeliver(count);
  if (action === 'crash') return world.crash();
  if (action === 'freeze') return world.freeze(count);
  if (action === 'thaw') return world.thaw();
  return world.killServer(count);
}

const numRuns = Number(process.env['POSTERN_SCHEDULES'] ?? 10_000);

describe('readers of views', () => {
  test(`show what is selected, and nothing that they saw removed, in ${numRuns} schedules`, async () => {
    await fc.assert(
      fc.asyncProperty(schedule, async ({ steps, between }) => {
        const world = new MemoryWorld();
        const rest = between.values();
        world.stream.meanwhile = async () => {
          const next = rest.next();
          if (!next.done) await take(world, next.value);
        };
        for (const each of steps) await take(world, each);
        await world.settle();
        for (const reader of world.readers) {
          const selected = world.selectedBy(reader.hash);
          if (selected) expect(reader.shown()).toEqual(selected);
        }
      }),
      { numRuns },
    );
  }, 60_000);
});
