import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FakeControlPlane, fakeControlPlane, runToolHere, temporaryFolder } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tctl } from '../src/commands/index.ts';

let plane: FakeControlPlane;
let identity: string;

beforeAll(async () => {
  plane = await fakeControlPlane();
  identity = await plane.identity('admin');
  plane.replies.set('/v1/inventory/agents/a1', { agent, clusters: [cluster] });
});

afterAll(() => plane[Symbol.asyncDispose]());

const agent = {
  agentId: 'a1',
  hostname: 'one',
  services: ['Kube', 'Discovery'],
  version: '0.1.0',
  upgrader: '',
  presence: 'online',
  lastSeen: '2026-11-28T12:00:05.000Z',
  startedAt: '2026-11-28T11:00:00.000Z',
  clockOffsetMs: -12_400,
  lastError: { at: '2026-11-28T11:30:00.000Z', message: 'a cluster cannot be reached' },
  discovery: { group: 'prod', sources: ['eks/111111111111/eu-west-1/0a1b'], total: 1 },
};
const cluster = {
  name: 'prod',
  health: 'online',
  condition: { state: 'unhealthy', reason: 'permissions', message: 'it may not impersonate' },
};

function run(...args: readonly string[]) {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'id.pem'), identity, { mode: 0o600 });
  return runToolHere(tctl, ['-i', join(folder, 'id.pem'), ...args], { cwd: folder });
}

describe('tctl inventory show', () => {
  test('tells what is known of an agent, and what it serves', async () => {
    expect((await run('inventory', 'show', 'a1')).out).toBe(
      [
        'Server ID:     a1',
        'Hostname:      one',
        'Services:      Kube,Discovery',
        'Version:       0.1.0',
        'Upgrader:      none',
        'Presence:      online',
        'Running since: 2026-11-28T11:00:00.000Z',
        'Last seen:     2026-11-28T12:00:05.000Z',
        'Clock:         12 s behind',
        'Last error:    2026-11-28T11:30:00.000Z a cluster cannot be reached',
        'Group:         prod',
        'Looks at:      eks/111111111111/eu-west-1/0a1b',
        '',
        'Kube Cluster Reachable Condition Message',
        '------------ --------- --------- ----------------------',
        'prod         online    unhealthy it may not impersonate',
        '',
      ].join('\n'),
    );
  });

  test('tells which lock is on it, and all of it as JSON', async () => {
    const spec = { target: { server_id: 'a1' }, message: 'stolen' };
    plane.resources.set('lock/l1', { kind: 'lock', version: 'v2', metadata: { name: 'l1' }, spec });
    const [shown, json] = [
      await run('inventory', 'show', 'a1'),
      await run('inventory', 'show', 'a1', '--format=json'),
    ];
    plane.resources.delete('lock/l1');
    expect(shown.out).toContain('Locked:        by lock/l1\n');
    expect(JSON.parse(json.out)).toEqual({
      ...agent,
      lock: 'l1',
      lockMessage: 'stolen',
      clusters: [cluster],
    });
  });
});

describe('tctl inventory ping', () => {
  test('tells how long the answer took', async () => {
    plane.replies.set('/v1/inventory/agents/a1/ping', { agentId: 'a1', roundTripMs: 12.3, clockOffsetMs: 4 });
    expect(await run('inventory', 'ping', 'a1')).toMatchObject({
      code: 0,
      out: 'Successfully pinged server "a1" (~12ms).\n',
      err: '',
    });
    expect(plane.requests.at(-1)).toMatchObject({ method: 'POST', path: '/v1/inventory/agents/a1/ping' });
  });

  test('says so when the clock of the agent is off', async () => {
    const answered = { agentId: 'a1', roundTripMs: 12.3, clockOffsetMs: 90_000 };
    plane.replies.set('/v1/inventory/agents/a1/ping', answered);
    expect((await run('inventory', 'ping', 'a1')).err).toBe(
      'its clock is 90 s ahead: certificates may be refused for that\n',
    );
    expect(JSON.parse((await run('inventory', 'ping', 'a1', '--format=json')).out)).toEqual(answered);
  });
});

describe('tctl inventory ls', () => {
  test('finds nobody in an update group: agents are updated by others', async () => {
    const agents = async (group: string) =>
      JSON.parse((await run('inventory', 'ls', `--update-group=${group}`, '--format=json')).out) as object[];
    expect(await agents('canary')).toEqual([]);
    expect(await agents('none')).toHaveLength(2);
  });
});
