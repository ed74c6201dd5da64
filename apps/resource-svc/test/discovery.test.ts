import { randomUUID } from 'node:crypto';
import { systemClock } from '@postern/core';
import {
  type DiscoveryOutcome,
  matcherKeyOf,
  type PublicResource,
  type Resource,
  type WorkDelivery,
} from '@postern/contracts';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { withScans } from '../src/discovery/config-status.ts';
import { runCommand } from '../src/resources/run-command.ts';
import { found, type Scans, serveScans, vanished } from './support/scans.ts';
import { refusal } from './support/work-requests.ts';
import { startWork, type WorkWorld } from './support/work-world.ts';

let world: WorkWorld;
let scans: Scans;
let group = '';
let count = 0;

beforeAll(async () => {
  world = await startWork();
  scans = serveScans(world);
  await world.joined('honest');
  await world.joined('kube', ['Kube']);
  await world.bus.flush();
});
afterAll(async () => {
  await scans[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});
beforeEach(() => void (group = `group-${(count += 1)}`));

/** A name of its own for each test: whatever is found here stays for the next ones. */
const called = (name: string) => `${name}-${count}`;
const resourceName = (cluster: string) => `${cluster}-eks-eu-west-1-111111111111`;
const outcomes = (all: readonly DiscoveryOutcome[]) => all.map(({ outcome }) => outcome);

async function enrol(delivery: WorkDelivery, names: readonly string[]): Promise<string[]> {
  await scans.changes(
    delivery,
    names.map((name) => found(name)),
  );
  return names.map(resourceName);
}

async function byHand(name: string): Promise<void> {
  const metadata = { name, labels: { 'teleport.dev/origin': 'dynamic' } };
  const resource = { kind: 'kube_cluster', version: 'v3', metadata, spec: {} } as PublicResource;
  const ref = { kind: 'kube_cluster', id: name };
  const resources = { store: world.store, self: 'spiffe://test/svc/resource' };
  const command = { type: 'WriteResource', mode: 'create', ref, resource, secrets: {}, dropped: [] } as const;
  await runCommand(resources, { command: { ...command, now: systemClock() }, commandId: randomUUID() });
}

describe('what a scan found', () => {
  test('becomes a cluster of its group, and nothing more where nothing has changed', async () => {
    const delivery = await scans.hold({ group });
    const cluster = called('prod');
    const name = resourceName(cluster);
    expect(await scans.changes(delivery, [found(cluster, { env: 'prod' })])).toEqual([
      { name, outcome: 'created' },
    ]);
    expect((await scans.find(name))?.labels).toMatchObject({
      env: 'prod',
      'teleport.dev/origin': 'cloud',
      'teleport.internal/discovery-group-name': group,
    });
    const again = await scans.hold({ group, slot: 2 });
    expect(outcomes(await scans.changes(again, [found(cluster, { env: 'prod' })]))).toEqual(['unchanged']);
    expect(await scans.events(name)).toBe(1);
    expect(outcomes(await scans.changes(again, [found(cluster, { env: 'test' })]))).toEqual(['updated']);
    expect((await scans.known(again)).clusters.map(({ metadata }) => metadata.name)).toEqual([name]);
  });

  test('is known in pages, to its own group, account and region', async () => {
    const delivery = await scans.hold({ group });
    const names = Array.from({ length: 230 }, (_, index) => called(`c${String(index).padStart(3, '0')}`));
    for (let at = 0; at < names.length; at += 23) await enrol(delivery, names.slice(at, at + 23));
    await enrol(await scans.hold({ group, region: 'us-east-1' }), [called('elsewhere')]);
    const first = await scans.known(delivery);
    const second = await scans.known(delivery, first.next);
    expect([first.clusters.length, second.clusters.length, second.next]).toEqual([200, 30, '']);
    const seen = [...first.clusters, ...second.clusters].map(({ metadata }) => metadata.name);
    expect(seen).toEqual(names.map(resourceName));
  });

  test('names the agent that found it', async () => {
    const [name] = await enrol(await scans.hold({ group }), [called('prod')]);
    const [event] = await world.store.load(`kube_cluster/${name}`);
    expect(event?.meta.actor).toBe('spiffe://test/agent/honest');
  });

  test('has no label of the system that a tag says (D-03)', async () => {
    const cluster = called('prod');
    const tags = {
      'teleport.dev/origin': 'dynamic',
      'teleport.internal/discovery-group-name': 'other',
      'teleport.internal/discovery-matchers': '',
      region: 'moon-1',
    };
    await scans.changes(await scans.hold({ group }), [found(cluster, tags)]);
    expect((await scans.find(resourceName(cluster)))?.labels).toMatchObject({
      'teleport.dev/origin': 'cloud',
      'teleport.internal/discovery-group-name': group,
      'teleport.internal/discovery-matchers': 'a'.repeat(16),
      region: 'eu-west-1',
    });
  });

  test('keeps odd tags as data (D-04)', async () => {
    const cluster = called('prod');
    const tags = { constructor: 'x', sql: `"; DROP TABLE resource; --`, long: 'v'.repeat(256) };
    const odd = found(cluster, { ...tags, esc: '\u001b[31m', lines: 'a\nb' });
    const proto = { ...odd, tags: [...(odd as { tags: [string, string][] }).tags, ['__proto__', 'x']] };
    expect(outcomes(await scans.changes(await scans.hold({ group }), [proto as typeof odd]))).toEqual([
      'created',
    ]);
    const labels = (await scans.find(resourceName(cluster)))!.labels;
    expect(labels).toMatchObject(tags);
    expect(Object.keys(labels)).not.toContain('esc');
  });
});

describe('what is somebody else’s', () => {
  test('made by hand, is not touched by a scan that finds or misses its name (D-01)', async () => {
    const cluster = called('hand');
    const name = resourceName(cluster);
    await byHand(name);
    const delivery = await scans.hold({ group });
    const told = await scans.changes(delivery, [found(cluster), vanished(name)]);
    expect(outcomes(told)).toEqual(['taken', 'taken']);
    expect(told[0]?.reason).toContain('was not made by discovery');
    expect(await scans.events(name)).toBe(1);
  });

  test('of another group, is left alone and said whose it is (D-01)', async () => {
    const cluster = called('prod');
    const [name] = await enrol(await scans.hold({ group }), [cluster]);
    const other = await scans.hold({ group: `${group}-other` });
    const told = await scans.changes(other, [found(cluster), vanished(name!)]);
    expect(outcomes(told)).toEqual(['taken', 'taken']);
    expect(told[0]?.reason).toContain(`belongs to the discovery group "${group}"`);
    expect(await scans.events(name!)).toBe(1);
    expect((await scans.known(other)).clusters).toEqual([]);
  });

  test('of another account or region, keeps the name that both want, again and again (D-07)', async () => {
    const cluster = called('prod');
    const name = called('mine');
    const tags = { TeleportKubernetesName: name };
    await scans.changes(await scans.hold({ group }), [found(cluster, tags)]);
    for (const slot of [1, 2]) {
      for (const at of [{ region: 'us-east-1' }, { account: '222222222222' }]) {
        const delivery = await scans.hold({ group, slot, ...at });
        const told = await scans.changes(delivery, [found(cluster, tags), vanished(name)]);
        expect(outcomes(told)).toEqual(['taken', 'taken']);
        expect(told[0]?.reason).toContain(`is the EKS cluster "${cluster}" in 111111111111/eu-west-1`);
      }
    }
    expect(await scans.events(name)).toBe(1);
  });

  test('of another matcher of the group, stays until that one misses it too (D-01)', async () => {
    const cluster = called('prod');
    const [name] = await enrol(await scans.hold({ group }), [cluster]);
    const key = 'b'.repeat(16);
    const both = await scans.hold({ group, key });
    expect((await scans.changes(both, [vanished(name!)]))[0]).toMatchObject({ outcome: 'refused' });
    expect(outcomes(await scans.changes(both, [found(cluster)]))).toEqual(['updated']);
    const first = await scans.hold({ group, slot: 2 });
    expect(outcomes(await scans.changes(first, [vanished(name!)]))).toEqual(['released']);
    expect((await scans.find(name!))?.labels['teleport.internal/discovery-matchers']).toBe(key);
    const last = await scans.hold({ group, key, slot: 2 });
    expect(outcomes(await scans.changes(last, [vanished(name!)]))).toEqual(['deleted']);
    expect(await scans.find(name!)).toBeUndefined();
  });
});

describe('when much of a group vanishes at once', () => {
  const eight = () => Array.from({ length: 8 }, (_, index) => called(`c${index}`));

  test('a quarter goes, and the rest when the next scan misses it too (D-10)', async () => {
    const names = await enrol(await scans.hold({ group }), eight());
    const all = names.map(vanished);
    const first = await scans.changes(await scans.hold({ group, slot: 2 }), all);
    expect(outcomes(first)).toEqual(['deleted', 'deleted', ...Array(6).fill('withheld')]);
    const retried = await scans.changes(await scans.hold({ group, slot: 2, attempt: 2 }), all);
    expect(outcomes(retried)).toEqual(['unchanged', 'unchanged', ...Array(6).fill('withheld')]);
    const second = await scans.changes(await scans.hold({ group, slot: 3 }), all.slice(2));
    expect(outcomes(second)).toEqual(Array(6).fill('deleted'));
  });

  test('what comes back in between is missed for the first time again (D-10)', async () => {
    const names = await enrol(await scans.hold({ group }), eight());
    const all = names.map(vanished);
    await scans.changes(await scans.hold({ group, slot: 2 }), all);
    // In slot 3 they are there, which changes nothing and so is not told.
    const later = await scans.changes(await scans.hold({ group, slot: 4 }), all.slice(2));
    expect(outcomes(later)).toEqual(['deleted', ...Array(5).fill('withheld')]);
  });

  test('regions of a group share the quarter (D-10)', async () => {
    const regions = ['eu-west-1', 'us-east-1', 'us-west-2', 'sa-east-1'];
    const name = (region: string) => `${called('one')}-eks-${region}-111111111111`;
    for (const region of regions)
      await scans.changes(await scans.hold({ group, region }), [found(called('one'))]);
    const told: string[] = [];
    for (const region of regions)
      told.push(
        ...outcomes(
          await scans.changes(await scans.hold({ group, region, slot: 2 }), [vanished(name(region))]),
        ),
      );
    expect(told).toEqual(['deleted', 'withheld', 'withheld', 'withheld']);
  });

  test('one cluster of a small group goes at once', async () => {
    const [name] = await enrol(await scans.hold({ group }), [called('only')]);
    const told = await scans.changes(await scans.hold({ group, slot: 2 }), [vanished(name!)]);
    expect(outcomes(told)).toEqual(['deleted']);
  });
});

describe('only who holds a scan may speak of it', () => {
  test('and not who had it before, was never given it, or has another role', async () => {
    const delivery = await scans.hold({ group });
    const [name] = await enrol(delivery, [called('prod')]);
    await world.joined('hostile');
    const lost = 'work.delivery_lost';
    expect(await refusal(scans.changes(delivery, [vanished(name!)], 'hostile'))).toBe(lost);
    expect(await refusal(scans.changes({ ...delivery, attempt: 2 }, [vanished(name!)]))).toBe(lost);
    expect(await refusal(scans.changes(delivery, [vanished(name!)], 'kube'))).toBe('work.forbidden');
    await scans.lose(delivery);
    expect(await refusal(scans.changes(delivery, [vanished(name!)]))).toBe(lost);
    expect(await refusal(scans.known(delivery))).toBe(lost);
    expect(await scans.events(name!)).toBe(1);
  });

  test('and not of a task that is no scan, nor in words that nobody uses', async () => {
    const odd = await scans.hold({ group, task: 'eks/1/eu-west-1/../../x' });
    expect(await refusal(scans.known(odd))).toBe('resource.no_scan');
    const delivery = await scans.hold({ group });
    const wrong: unknown[] = [
      [],
      [{ type: 'found', cluster: '../x', tags: [] }],
      [{ type: 'found', cluster: 'a', tags: [['k']] }],
      [{ type: 'vanished' }],
      Array.from({ length: 51 }, () => vanished('x')),
    ];
    for (const changes of wrong)
      expect(await refusal(scans.changes(delivery, changes as []))).toBe(
        'resource.invalid_discovery_request',
      );
  });
});

describe('the status of a discovery_config', () => {
  const config = (spec: Record<string, unknown>) =>
    ({
      kind: 'discovery_config',
      version: 'v1',
      metadata: { name: 'c' },
      spec: { discovery_group: group, aws: [spec], azure: [], gcp: [], kube: [] },
    }) as unknown as Resource;

  test('tells of each account and region what its matcher saw last, and which permission is missing', async () => {
    const tags = { env: ['prod'] };
    const problem = {
      action: 'eks:ListClusters',
      code: 'aws.denied',
      permission: 'eks:ListClusters',
      message: 'no',
    };
    const seen = { isComplete: false, listed: 0, found: 0, changed: {}, problems: [problem], notDone: [] };
    const delivery = await scans.hold({ group, key: matcherKeyOf(tags) });
    await scans.hold({ group, region: 'us-east-1', key: matcherKeyOf(tags) });
    await scans.hold({ group, region: 'sa-east-1', key: matcherKeyOf({ env: ['test'] }) });
    await scans.end(delivery, seen);
    const of = (spec: Record<string, unknown>) =>
      withScans(world.store.db, config({ types: ['eks'], ...spec }));
    expect(await of({ regions: ['*'], tags: { env: 'prod' } })).toMatchObject({
      status: {
        aws: [
          {
            scans: [
              {
                account: '111111111111',
                region: 'eu-west-1',
                state: 'incomplete',
                result: { problems: [problem] },
              },
              { account: '111111111111', region: 'us-east-1', state: 'not yet' },
            ],
          },
        ],
      },
    });
    const role = 'arn:aws:iam::444444444444:role/scan';
    for (const spec of [
      { regions: ['eu-west-1'] },
      { regions: ['*'], tags: { env: 'prod' }, assume_role_arn: role },
    ])
      expect(await of(spec)).toMatchObject({ status: { aws: [{ scans: [] }] } });
    expect(await of({ regions: ['nowhere'] })).toMatchObject({ status: { aws: [{ scans: [] }] } });
  });
});
