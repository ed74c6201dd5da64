import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bus, connectBus, readViewPage, storeViewEntry, viewStream } from '@postern/bus';
import {
  anyAgent,
  type Heartbeat,
  selectorHash,
  type SnapshotRequest,
  type ViewEntry,
} from '@postern/contracts';
import { systemClock } from '@postern/core';
import { Readiness } from '@postern/http';
import { silentTelemetry } from '@postern/telemetry';
import { temporaryFolder, testNats, type TestNats } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { discoverySelector, discoveryService, readSection } from '../src/index.ts';

/** Waits for a condition; the bound is for a machine that does much else. */
const eventually = <T>(read: () => T) => expect.poll(read, { timeout: 10_000, interval: 20 });

let nats: TestNats;
let control: Bus;
const hash = selectorHash(discoverySelector);

beforeAll(async () => {
  nats = await testNats();
  control = await connectBus({ servers: nats.url, name: 'resource-svc' });
  await control.reconcileStreams([viewStream()]);
  control.subscribe(anyAgent.openView, {}, (message) => message.respond({ ok: true, hash }));
  control.subscribe(anyAgent.snapshot, {}, async (message) => {
    const request = message.json() as SnapshotRequest;
    message.respond(await readViewPage(control, { hash: request.hash, generation: 1 }, request.after));
  });
  await control.flush();
});

afterAll(async () => {
  await control[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

function entry(name: string, group: string, region: string, rev = 1): ViewEntry {
  const spec = { discovery_group: group, aws: [{ types: ['eks'], regions: [region] }] };
  return {
    kind: 'discovery_config',
    id: name,
    rev,
    revision: String(rev),
    resource: { kind: 'discovery_config', version: 'v1', metadata: { name }, spec },
  };
}

describe('a member of a discovery group', () => {
  test('says that it is there and follows the resources of its group', async () => {
    await storeViewEntry(control, { hash, generation: 1 }, entry('before', 'g', 'eu-west-1'));
    const heartbeats: Heartbeat[] = [];
    control.subscribe(anyAgent.heartbeat, {}, (message) => void heartbeats.push(message.json() as Heartbeat));
    await control.flush();
    const goodbyes: string[] = [];
    control.subscribe(anyAgent.goodbye, {}, (message) => void goodbyes.push(message.subject));
    const bus = await connectBus({ servers: nats.url, name: 'd1' });
    await using telemetry = silentTelemetry('discovery-svc');
    const readiness = new Readiness();
    const section = await readSection({ configFile: undefined, group: 'g' });
    const deps = { bus, agentId: 'd1', telemetry, clock: systemClock, readiness };
    const service = discoveryService(deps, {
      section,
      heartbeatIntervalMs: 60_000,
      env: {},
      allowLoopback: false,
    });
    await service.ready;
    expect(readiness.state).toBe('ready');
    const regions = () =>
      service.matchers().map(({ source, matcher }) => [source, 'regions' in matcher ? matcher.regions : []]);
    expect(regions()).toEqual([['discovery_config/before', ['eu-west-1']]]);
    await storeViewEntry(control, { hash, generation: 1 }, entry('before', 'g', 'eu-west-2', 2));
    await storeViewEntry(control, { hash, generation: 1 }, entry('other', 'another-group', 'us-east-1'));
    await storeViewEntry(control, { hash, generation: 1 }, entry('bad', 'g', 'nowhere'));
    await eventually(regions).toEqual([['discovery_config/before', ['eu-west-2']]]);
    await eventually(() => telemetry.lines.some((line) => line.includes('does not support region'))).toBe(
      true,
    );
    await storeViewEntry(
      control,
      { hash, generation: 1 },
      { kind: 'discovery_config', id: 'before', rev: 3, revision: '' },
    );
    await eventually(regions).toEqual([]);
    await eventually(() => heartbeats.at(0)).toMatchObject({ agentId: 'd1', services: ['Discovery'] });
    await service[Symbol.asyncDispose]();
    await bus[Symbol.asyncDispose]();
    expect(readiness.state).toBe('stopping');
    await eventually(() => goodbyes).toEqual(['agent.d1.bye']);
  });
});

describe('the configuration of a process', () => {
  const file = (text: string): string => {
    const path = join(temporaryFolder(), 'teleport.yaml');
    writeFileSync(path, text);
    return path;
  };

  test('is the discovery_service of its file', async () => {
    const configFile = file(
      'discovery_service: {enabled: yes, discovery_group: prod, aws: [{types: [eks], regions: ["*"]}]}',
    );
    expect(await readSection({ configFile, group: 'ignored' })).toMatchObject({
      discoveryGroup: 'prod',
      aws: [{ regions: ['*'] }],
    });
  });

  test('is refused where it switches discovery off, or is not there', async () => {
    await expect(readSection({ configFile: file('version: v3'), group: '' })).rejects.toMatchObject({
      code: 'discovery.is_off',
    });
    await expect(
      readSection({ configFile: join(temporaryFolder(), 'none'), group: '' }),
    ).rejects.toMatchObject({ code: 'discovery.unreadable_config' });
  });
});
