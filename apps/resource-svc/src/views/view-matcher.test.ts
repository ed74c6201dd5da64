import { compileSelector } from '@postern/access';
import { type PublicResource, type Selector, selectorHash, type ViewEntry } from '@postern/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { streamOf } from '../resources/resource-name.ts';
import type { ResourceRow } from '../resources/resource-table.ts';
import { type MatcherPorts, type ResourceChange, type SeedRow, ViewMatcher } from './view-matcher.ts';

/** A database and a bus in memory, and the feed of changes between the two. */
class World implements MatcherPorts {
  readonly rows = new Map<string, ResourceRow>();
  readonly versions = new Map<string, number>();
  readonly bus = new Map<string, Map<string, ViewEntry>>();
  readonly feed: ResourceChange[] = [];
  failures = 0;

  write(id: string, labels: Record<string, string> | undefined): void {
    const ref = { kind: 'kube_cluster', id };
    const version = (this.versions.get(id) ?? 0) + 1;
    if (!labels && !this.rows.has(id)) return;
    this.versions.set(id, version);
    if (!labels) this.rows.delete(id);
    else this.rows.set(id, { ...ref, version, labels, secrets: {}, doc: docOf(id, labels) });
    this.feed.push({ ...ref, version, ...(labels ? { doc: docOf(id, labels) } : {}) });
  }

  loadResources: MatcherPorts['loadResources'] = async (refs) =>
    refs.flatMap(({ id }) => (this.rows.has(id) ? [this.rows.get(id)!] : []));

  goneVersion: MatcherPorts['goneVersion'] = async ({ id }) => this.versions.get(id);

  async *readView(hash: string): AsyncIterable<ViewEntry> {
    yield* [...(this.bus.get(hash)?.values() ?? [])].filter(({ resource }) => resource);
  }

  putEntry: MatcherPorts['putEntry'] = async (hash, entry) => {
    if (this.failures > 0) {
      this.failures -= 1;
      throw new Error('the bus is away');
    }
    const view = this.bus.get(hash) ?? new Map<string, ViewEntry>();
    const before = view.get(streamOf(entry));
    // What a reader that saw the earlier entry would think of this one.
    expect(entry.rev).toBeGreaterThanOrEqual(before?.rev ?? 0);
    this.bus.set(hash, view.set(streamOf(entry), entry));
  };

  /** What a matcher that takes over finds in the database. */
  seed(): SeedRow[] {
    const gone = [...this.versions].filter(([id]) => !this.rows.has(id));
    return [...this.rows.values(), ...gone.map(([id, version]) => ({ kind: 'kube_cluster', id, version }))];
  }

  shown(hash: string): string[] {
    const entries = [...(this.bus.get(hash)?.values() ?? [])].filter(({ resource }) => resource);
    return entries.map(({ id, rev }) => `${id}@${rev}`).toSorted();
  }

  selected(selector: Selector): string[] {
    if (!selector.kinds.includes('kube_cluster')) return [];
    const matches = compileSelector(selector);
    return [...this.rows.values()]
      .filter(({ labels }) => matches(labels))
      .map(({ id, version }) => `${id}@${version}`)
      .toSorted();
  }
}

function docOf(name: string, labels: Record<string, string>): PublicResource {
  return { kind: 'kube_cluster', version: 'v3', metadata: { name, labels }, spec: {} };
}

const selectors: Selector[] = [
  { kinds: ['kube_cluster'], any: [{ labels: { '*': ['*'] } }] },
  { kinds: ['kube_cluster'], any: [{ labels: { env: ['prod'] } }] },
  {
    kinds: ['kube_cluster'],
    any: [{ labels: { env: ['prod'], team: ['a', 'b'] } }, { labels: { env: ['d*'] } }],
  },
  { kinds: ['role'], any: [{ labels: { '*': ['*'] } }] },
];

const labels = fc.record(
  { env: fc.constantFrom('prod', 'dev'), team: fc.constantFrom('a', 'c') },
  { requiredKeys: [] },
);
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      id: fc.constantFrom('x', 'y', 'z'),
      labels: fc.option(labels, { nil: undefined }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('feed' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('open' as const, 'close' as const), view: fc.nat(3) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('restart' as const, 'replay' as const, 'forget' as const, 'fail' as const),
    }),
  },
);

describe('the view matcher', () => {
  test('shows in each open view what its selector selects, whatever happened in between', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const world = new World();
        const open = new Set<number>();
        let matcher = new ViewMatcher(world);
        let read = 0;
        const hashOf = (view: number) => selectorHash(selectors[view]!);
        const restart = async () => {
          matcher = new ViewMatcher(world);
          for (const view of open) matcher.open(hashOf(view), selectors[view]!);
          matcher.seed(world.seed());
          for (const view of open) await again(() => matcher.reconcile(hashOf(view)));
        };
        for (const each of steps) {
          if (each.do === 'write') world.write(each.id, each.labels);
          if (each.do === 'feed' && read < world.feed.length)
            await again(() => matcher.apply(world.feed[read]!)).then(() => (read += 1));
          if (each.do === 'open') {
            open.add(each.view);
            matcher.open(hashOf(each.view), selectors[each.view]!);
            await again(() => matcher.reconcile(hashOf(each.view)));
          }
          if (each.do === 'close') {
            open.delete(each.view);
            await again(() => matcher.close(hashOf(each.view)));
          }
          if (each.do === 'restart') await restart();
          // Redelivery goes back in the feed, a lost tail takes entries from the bus; a reconciliation follows the latter.
          if (each.do === 'replay') read = 0;
          if (each.do === 'forget') for (const view of world.bus.values()) view.clear();
          if (each.do === 'forget') await restart();
          if (each.do === 'fail') world.failures += 1;
        }
        for (; read < world.feed.length; read += 1) await again(() => matcher.apply(world.feed[read]!));
        for (const view of [0, 1, 2, 3].filter((each) => !open.has(each)))
          expect(world.shown(hashOf(view))).toEqual([]);
        for (const view of open) expect(world.shown(hashOf(view))).toEqual(world.selected(selectors[view]!));
      }),
      { numRuns: 300 },
    );
  });

  test('removes a resource from the view its labels no longer match', async () => {
    const world = new World();
    const matcher = new ViewMatcher(world);
    matcher.open('v', selectors[1]!);
    world.write('x', { env: 'prod' });
    world.write('x', { env: 'dev' });
    for (const change of world.feed) await matcher.apply(change);
    const [entry] = world.bus.get('v')!.values();
    expect(entry).toMatchObject({ id: 'x', rev: 2 });
    expect(entry).not.toHaveProperty('resource');
  });
});

/** As the bus delivers: what failed comes again. */
async function again(work: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if ((error as Error).message !== 'the bus is away') throw error;
    }
  }
}
