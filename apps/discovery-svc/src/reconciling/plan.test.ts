import { discoveredCluster, type FoundCluster, type PublicResource } from '@postern/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { plan, type Sighting, type SourceId } from './plan.ts';

const source: SourceId = { group: 'prod', account: '111111111111', region: 'eu-west-1', matcherKey: 'k1' };

function cluster(name: string, tags: Record<string, string> = {}, at: Partial<SourceId> = {}): FoundCluster {
  const { account, region } = { ...source, ...at };
  return { name, account, region, tags: new Map(Object.entries(tags)) };
}

function known(found: FoundCluster, by: Partial<SourceId> = {}, matcherKeys = ['k1']): PublicResource {
  return discoveredCluster(found, { group: by.group ?? 'prod', matcherKeys });
}

const calledIn = (labels: PublicResource['metadata']['labels']) =>
  labels?.['teleport.internal/discovered-name'];
const complete = (...found: FoundCluster[]): Sighting => ({ isComplete: true, found });
const name = (each: string) => known(cluster(each)).metadata.name;

// Few of everything, so that they meet.
const letters = fc.constantFrom('a', 'b', 'c', 'd');
const clusters = fc
  .uniqueArray(
    fc.record({ name: letters, env: fc.constantFrom('prod', 'test'), called: fc.constantFrom('', 'x', 'y') }),
    {
      selector: (each) => each.name,
    },
  )
  .map((all) => all.map((each) => cluster(each.name, tagsOf(each))));
const owners = fc.record({
  group: fc.constantFrom('prod', 'other', ''),
  account: fc.constantFrom('111111111111', '222222222222'),
  region: fc.constantFrom('eu-west-1', 'us-east-1'),
  keys: fc.subarray(['k1', 'k2'], { minLength: 1 }),
  isByHand: fc.boolean(),
});
const stored = fc.array(fc.tuple(letters, owners), { maxLength: 8 }).map((all) => {
  const resources = all.map(([each, { group, keys, isByHand, ...at }]) => {
    const resource = known(cluster(each, {}, at), { group }, keys);
    const labels = { ...resource.metadata.labels, 'teleport.dev/origin': 'dynamic' };
    return isByHand ? { ...resource, metadata: { ...resource.metadata, labels } } : resource;
  });
  // No two resources have one name.
  return [...new Map(resources.map((each) => [each.metadata.name, each])).values()];
});

function tagsOf({ env, called }: { readonly env: string; readonly called: string }): Record<string, string> {
  return { env, ...(called === '' ? {} : { TeleportKubernetesName: called }) };
}

function isOwn({ metadata: { labels }, spec }: PublicResource): boolean {
  const aws = spec['aws'] as { readonly account_id: string; readonly region: string };
  return (
    labels?.['teleport.dev/origin'] === 'cloud' &&
    labels['teleport.internal/discovery-group-name'] === 'prod' &&
    labels['teleport.internal/discovery-matchers']!.split('.').includes('k1') &&
    aws.account_id === source.account &&
    aws.region === source.region
  );
}

describe('what a scan takes away', () => {
  test('is only what its own group, account, region and matcher found, never what was made by hand (D-01)', () => {
    fc.assert(
      fc.property(stored, clusters, (before, found) => {
        const { vanished } = plan(before, complete(...found), source);
        const own = new Set(before.filter(isOwn).map(({ metadata }) => metadata.name));
        expect(vanished.every((each) => own.has(each))).toBe(true);
      }),
    );
  });

  test('is nothing where the scan did not see everything, whatever it saw (D-02)', () => {
    fc.assert(
      fc.property(stored, clusters, (before, found) => {
        expect(plan(before, { isComplete: false, found }, source).vanished).toEqual([]);
      }),
    );
  });

  test('is nothing without a group (D-01)', () => {
    fc.assert(
      fc.property(stored, clusters, (before, found) => {
        expect(plan(before, complete(...found), { ...source, group: '' }).vanished).toEqual([]);
      }),
    );
  });

  test('is never a cluster that it found under the name that it has', () => {
    fc.assert(
      fc.property(stored, clusters, (before, found) => {
        const seen = new Set(found.map((each) => `${known(each).metadata.name} ${each.name}`));
        const { vanished } = plan(before, complete(...found), source);
        const gone = before.filter((each) => isOwn(each) && vanished.includes(each.metadata.name));
        expect(gone.some(({ metadata: { name: of, labels } }) => seen.has(`${of} ${calledIn(labels)}`))).toBe(
          false,
        );
      }),
    );
  });

  test('is a name that another cluster has come by, which is then brought under it', () => {
    const [a, b] = ['a', 'b'].map((each) => cluster(each, { TeleportKubernetesName: 'same' }));
    const seen = { found: [b], vanished: ['same'], collisions: [] };
    expect(plan([known(a!)], complete(b!), source)).toEqual(seen);
    expect(plan([known(a!)], { isComplete: false, found: [b!] }, source)).toMatchObject({
      found: [],
      vanished: [],
    });
  });

  test('is a cluster that is gone, and one that matches no longer', () => {
    const before = [known(cluster('a')), known(cluster('b'))];
    expect(plan(before, complete(cluster('a')), source)).toEqual({
      found: [],
      vanished: [name('b')],
      collisions: [],
    });
  });

  test('of two services with one group and different matchers is nothing of the other’s (D-01)', () => {
    const theirs = known(cluster('a'), {}, ['k2']);
    expect(plan([theirs], complete(), source)).toEqual({ found: [], vanished: [], collisions: [] });
    expect(plan([theirs], complete(), { ...source, matcherKey: 'k2' }).vanished).toEqual([name('a')]);
  });
});

describe('what a scan brings', () => {
  test('is nothing where nothing has changed, and what it brings is nothing new the second time', () => {
    fc.assert(
      fc.property(stored, clusters, fc.boolean(), (before, found, isComplete) => {
        const once = plan(before, { isComplete, found }, source);
        const after = applied(before, once);
        const again = plan(after, { isComplete, found }, source);
        expect({ found: again.found, vanished: again.vanished }).toEqual({ found: [], vanished: [] });
      }),
    );
  });

  test('does not depend on the order in which it was seen', () => {
    fc.assert(
      fc.property(stored, clusters, (before, found) => {
        const forwards = plan(before, complete(...found), source);
        expect(plan(before.toReversed(), complete(...found.toReversed()), source)).toEqual(forwards);
      }),
    );
  });

  test('is a cluster whose tags have changed, under the name that it has', () => {
    const before = [known(cluster('a', { env: 'test' }))];
    const found = cluster('a', { env: 'prod' });
    expect(plan(before, complete(found), source)).toEqual({ found: [found], vanished: [], collisions: [] });
  });

  test('is a cluster that is called otherwise, and its old name is taken away', () => {
    const found = cluster('a', { TeleportKubernetesName: 'mine' });
    expect(plan([known(cluster('a'))], complete(found), source)).toEqual({
      found: [found],
      vanished: [name('a')],
      collisions: [],
    });
  });

  test('is a cluster that another matcher has found, so that both of them hold it', () => {
    const theirs = known(cluster('a'), {}, ['k2']);
    const { found } = plan([theirs], complete(cluster('a')), source);
    expect(found).toEqual([cluster('a')]);
    const both = known(cluster('a'), {}, ['k1', 'k2']);
    expect(plan([both], complete(cluster('a')), source).found).toEqual([]);
  });

  test('of two clusters that want one name is the one that has it, again and again (D-07)', () => {
    const [a, b] = ['a', 'b'].map((each) => cluster(each, { TeleportKubernetesName: 'same' })) as [
      FoundCluster,
      FoundCluster,
    ];
    expect(plan([], complete(b, a), source)).toMatchObject({
      found: [a],
      collisions: [{ cluster: 'b', name: 'same', with: 'a' }],
    });
    expect(plan([known(b)], complete(a, b), source)).toEqual({
      found: [],
      vanished: [],
      collisions: [{ cluster: 'a', name: 'same', with: 'b' }],
    });
  });
});

/** What is there once a plan is carried out, as far as one group sees it. */
function applied(
  before: readonly PublicResource[],
  { found, vanished }: ReturnType<typeof plan>,
): PublicResource[] {
  const after = new Map(before.filter(isOfPlace).map((each) => [each.metadata.name, each]));
  for (const each of vanished) after.delete(each);
  for (const each of found) {
    const { metadata } = known(each);
    const keys = after.get(metadata.name)?.metadata.labels?.['teleport.internal/discovery-matchers'];
    after.set(metadata.name, known(each, {}, ['k1', ...(keys?.split('.') ?? [])]));
  }
  return [...after.values()];
}

function isOfPlace(resource: PublicResource): boolean {
  const labels = { ...resource.metadata.labels, 'teleport.internal/discovery-matchers': 'k1' };
  return isOwn({ ...resource, metadata: { ...resource.metadata, labels } });
}
