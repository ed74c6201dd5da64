import type { Selector, ViewEntry } from '@postern/contracts';
import { describe, expect, test } from 'vitest';
import { type ResourceChange, ViewMatcher } from './view-matcher.ts';

const prod: Selector = { kinds: ['kube_cluster'], any: [{ labels: { env: ['prod'] } }] };
const ref = { kind: 'kube_cluster', id: 'x' };
const at = (version: number, env?: string): ResourceChange => ({
  ...ref,
  version,
  ...(env === undefined
    ? {}
    : { doc: { kind: 'kube_cluster', version: 'v3', metadata: { name: 'x', labels: { env } }, spec: {} } }),
});

function matcherOf(onBus: ViewEntry[] = [], isCurrent = true) {
  const told: string[] = [];
  const matcher = new ViewMatcher({
    loadResources: async () => [],
    goneVersion: async () => undefined,
    readView: async function* () {
      yield* onBus;
    },
    isCurrent: () => isCurrent,
    putEntries: async (puts) => {
      told.push(...puts.map(({ entry }) => `${entry.resource ? '+' : '-'}${entry.id}@${entry.rev}`));
    },
  });
  matcher.open('v', prod);
  return { matcher, told };
}

describe('the view matcher', () => {
  test('removes a resource from the view its labels no longer match', async () => {
    const { matcher, told } = matcherOf();
    await matcher.apply([at(1, 'prod')]);
    await matcher.apply([at(2, 'dev')]);
    await matcher.apply([at(3)]);
    expect(told).toEqual(['+x@1', '-x@2']);
  });

  test('tells a view the last of several changes that come together, and how busy it was', async () => {
    const { matcher, told } = matcherOf();
    expect(await matcher.apply([at(1, 'prod'), at(2, 'prod'), at(3, 'prod')])).toBe(1);
    expect(await matcher.apply([at(4, 'dev'), at(5, 'prod'), at(6)])).toBe(1);
    expect(told).toEqual(['+x@3', '-x@6']);
  });

  test('ignores what it was told before', async () => {
    const { matcher, told } = matcherOf();
    await matcher.apply([at(2, 'prod')]);
    expect(await matcher.apply([at(1, 'dev'), at(2, 'prod')])).toBe(0);
    expect(told).toEqual(['+x@2']);
  });

  test('takes from a view what is on the bus without a reason, above whatever is known of it', async () => {
    const { matcher, told } = matcherOf([{ ...ref, rev: 4, revision: '', resource: at(4, 'prod').doc! }]);
    await matcher.reconcile('v');
    expect(told).toEqual(['-x@5']);
  });
});
