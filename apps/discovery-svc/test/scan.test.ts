import { openEks } from '@postern/aws';
import { systemClock } from '@postern/core';
import { EksState, eksMisbehaviours } from '@postern/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { resolveSources } from '../src/scanning/resolve-sources.ts';
import { scan } from '../src/scanning/scan.ts';
import { account, type AwsWorld, place, quickPace, sourceOf, startAwsWorld } from './support/aws-world.ts';

let world: AwsWorld;
const prod = { env: 'prod' };

beforeAll(async () => {
  world = await startAwsWorld(600);
});
afterAll(() => world[Symbol.asyncDispose]());
beforeEach(() => void Object.assign(world.aws, { eks: new EksState() }));

const names = (clusters: readonly { readonly name: string }[]) => clusters.map(({ name }) => name);

describe('a scan', () => {
  test('finds what is there, is in a state to be enrolled, and matches', async () => {
    const { eks } = world.aws;
    eks.pageSize = 3;
    const states = ['ACTIVE', 'UPDATING', 'CREATING', 'DELETING', 'FAILED', 'PENDING'] as const;
    eks.put(place, ...states.map((status) => ({ name: status.toLowerCase(), status, tags: prod })));
    eks.put(place, { name: 'staging', tags: { env: 'staging' } }, { name: 'untagged' });
    const seen = await world.look();
    expect(seen).toMatchObject({ isComplete: true, listed: 8, notReady: 4, notMatching: 2, problems: [] });
    expect(names(seen.found)).toEqual(['active', 'updating']);
    expect(eks.count('ListClusters')).toBe(3);
    expect(eks.count('DescribeCluster')).toBe(8);
  });

  test('matches by where a cluster is, too', async () => {
    world.aws.eks.put(place, { name: 'a' });
    expect(names((await world.look(sourceOf({ region: 'eu-*', 'account-id': account }))).found)).toEqual([
      'a',
    ]);
    expect((await world.look(sourceOf({ region: 'us-east-1' }))).notMatching).toBe(1);
  });

  test('waits where AWS throttles, and then sees everything (D-09)', async () => {
    world.aws.eks.put(place, ...Array.from({ length: 12 }, (_, i) => ({ name: `c${i}`, tags: prod })));
    const asked = new Map<string | undefined, number>();
    world.aws.eks.misbehave = ({ cluster }) => {
      asked.set(cluster, (asked.get(cluster) ?? 0) + 1);
      return asked.get(cluster)! < 4 ? eksMisbehaviours.throttles : undefined;
    };
    const seen = await world.look();
    expect(seen).toMatchObject({ isComplete: true, listed: 12 });
    expect(seen.found).toHaveLength(12);
  });

  test('asks no more at once than it should, and in turn (D-09)', async () => {
    const pace = quickPace();
    const { aws, eks } = world;
    aws.eks.put(place, { name: 'a', tags: prod });
    aws.eks.misbehave = () => eksMisbehaviours.throttles;
    const before = pace.rate;
    const { signal } = new AbortController();
    expect((await scan(sourceOf(), { eks, pace, signal })).isComplete).toBe(false);
    expect(aws.eks.calls).toHaveLength(9);
    expect(pace.rate).toBeLessThan(before / 100);
  });

  test('ends when it is no longer wanted', async () => {
    world.aws.eks.misbehave = () => eksMisbehaviours['does not answer'];
    const giving = new AbortController();
    const asked = scan(sourceOf(), { eks: world.eks, pace: quickPace(), signal: giving.signal });
    giving.abort(new Error('the lease is lost'));
    await expect(asked).rejects.toThrow('the lease is lost');
  });

  test('that stands before a cluster which has gone since is complete', async () => {
    const { eks } = world.aws;
    eks.put(place, { name: 'a', tags: prod }, { name: 'b', tags: prod });
    eks.misbehave = ({ action }) => {
      if (action === 'ListClusters') eks.remove(place, 'b');
      return undefined;
    };
    const seen = await world.look();
    expect(seen).toMatchObject({ isComplete: true, listed: 2 });
    expect(names(seen.found)).toEqual(['a']);
  });
});

const faults = [
  ['denied', 'denies without a reason', 'aws.denied'],
  ['throttled', 'throttles', 'aws.throttled'],
  ['failing', 'fails inside', 'aws.unavailable'],
  ['timed out', 'does not answer', 'aws.timed_out'],
  ['malformed', 'answers something else', 'aws.malformed_answer'],
  ['cut short', 'cuts its answer short', 'aws.malformed_answer'],
  ['broken off', 'breaks off', 'aws.unavailable'],
  ['in the wrong region', 'says that the region is another', 'aws.credentials_refused'],
  ['with expired credentials', 'says that credentials have expired', 'aws.credentials_expired'],
] as const;

describe.each(faults)('a scan that is %s', (_, order, code) => {
  test('at the first page saw nothing, and says why (D-02)', async () => {
    world.aws.eks.put(place, { name: 'a', tags: prod });
    world.aws.eks.misbehave = () => eksMisbehaviours[order];
    const { isComplete, found, problems } = await world.look();
    expect({ isComplete, found }).toEqual({ isComplete: false, found: [] });
    expect(problems).toMatchObject([{ action: 'eks:ListClusters', code }]);
  });

  test('at the second page keeps what it saw, and is not complete (D-02)', async () => {
    const { eks } = world.aws;
    eks.pageSize = 1;
    eks.put(place, { name: 'a', tags: prod }, { name: 'b', tags: prod });
    let pages = 0;
    eks.misbehave = ({ action }) =>
      action === 'ListClusters' && ++pages > 1 ? eksMisbehaviours[order] : undefined;
    const { isComplete, found, problems } = await world.look();
    expect(isComplete).toBe(false);
    expect(names(found)).toEqual(['a']);
    expect(problems).toMatchObject([{ action: 'eks:ListClusters', code }]);
  });

  test('at one cluster keeps the others, and is not complete (D-02)', async () => {
    const { eks } = world.aws;
    eks.put(place, { name: 'a', tags: prod }, { name: 'b', tags: prod }, { name: 'c', tags: prod });
    eks.misbehave = ({ cluster }) => (cluster === 'b' ? eksMisbehaviours[order] : undefined);
    const { isComplete, found, problems } = await world.look();
    expect(isComplete).toBe(false);
    expect(names(found)).toEqual(['a', 'c']);
    const permission = code === 'aws.denied' ? { permission: 'eks:DescribeCluster' } : {};
    expect(problems).toMatchObject([{ action: 'eks:DescribeCluster', code, cluster: 'b', ...permission }]);
  });
});

describe('a scan is not complete', () => {
  test('where pages have no end (D-02)', async () => {
    world.aws.eks.misbehave = ({ action }) =>
      action === 'ListClusters' ? eksMisbehaviours['gives the same token again and again'] : undefined;
    const { isComplete, problems } = await world.look();
    expect({ isComplete, problems }).toMatchObject({
      isComplete: false,
      problems: [{ action: 'eks:ListClusters', message: 'the pages of clusters have no end' }],
    });
    expect(world.aws.eks.count('ListClusters')).toBeLessThan(5);
  });

  test('where a region is switched off, and where its role may not be assumed (D-02)', async () => {
    world.aws.eks.disabledRegions.add(`${account}/eu-west-1`);
    expect((await world.look()).problems).toMatchObject([{ code: 'aws.credentials_refused' }]);
    const role = { arn: 'arn:aws:iam::444444444444:role/none' };
    const as = { account: '444444444444', region: 'eu-west-1', role };
    expect((await world.look(sourceOf(prod, as))).problems).toMatchObject([
      { code: 'aws.denied', permission: 'sts:AssumeRole' },
    ]);
  });
});

describe('matchers lead to sources', () => {
  const matcher = sourceOf().matcher;
  const asked = (...matchers: (typeof matcher)[]) =>
    matchers.map((each, index) => ({ source: `m${index}`, provider: 'aws' as const, matcher: each }));

  test('one for each account, region and selection, whoever asks for it', async () => {
    const regions = ['eu-west-1', 'us-east-1'];
    const role = 'arn:aws:iam::444444444444:role/scan';
    const { byTask } = await resolveSources(
      asked({ ...matcher, regions }, matcher, { ...matcher, regions, assumeRoleArn: role, externalId: 'x' }),
      world.eks,
    );
    const key = sourceOf().matcherKey;
    expect([...byTask.keys()]).toEqual([
      `eks/${account}/eu-west-1/${key}`,
      `eks/${account}/us-east-1/${key}`,
      `eks/444444444444/eu-west-1/${key}`,
      `eks/444444444444/us-east-1/${key}`,
    ]);
    expect(byTask.get(`eks/444444444444/us-east-1/${key}`)?.as).toEqual({
      account: '444444444444',
      region: 'us-east-1',
      role: { arn: role, externalId: 'x' },
    });
  });

  test('in every region of the partition of the account, for "*"', async () => {
    const everywhere = { ...matcher, regions: ['*'] };
    const china = { ...everywhere, assumeRoleArn: 'arn:aws-cn:iam::444444444444:role/scan' };
    const own = [...(await resolveSources(asked(everywhere), world.eks)).byTask.values()];
    expect(own.map(({ as }) => as.region)).toContain('eu-central-1');
    expect(own.length).toBeGreaterThan(30);
    const other = [...(await resolveSources(asked(china), world.eks)).byTask.values()];
    expect(other.map(({ as }) => as.region)).toEqual(['cn-north-1', 'cn-northwest-1']);
  });

  test('and what they lead nowhere for is told, and is nobody else’s loss', async () => {
    const role = 'arn:aws:iam::444444444444:role/scan';
    world.aws.next.push((response) => void response.writeHead(503).end());
    // Who it is, the other one knows already.
    await using fresh = openEks({ env: { AWS_ENDPOINT_URL_STS: world.aws.stsUrl }, clock: systemClock });
    const { byTask, unresolved } = await resolveSources(
      asked(matcher, { ...matcher, assumeRoleArn: role }, { ...matcher, integration: 'other' }),
      fresh,
    );
    expect([...byTask.keys()]).toEqual([`eks/444444444444/eu-west-1/${sourceOf().matcherKey}`]);
    expect(unresolved).toMatchObject([{ source: 'm0' }]);
  });
});
