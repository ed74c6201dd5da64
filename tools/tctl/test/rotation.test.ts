import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RotationView } from '@postern/contracts';
import { systemClock } from '@postern/core';
import { caPin, createAuthority } from '@postern/identity';
import { type FakeControlPlane, fakeControlPlane, runToolHere, temporaryFolder } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tctl } from '../src/commands/index.ts';

let plane: FakeControlPlane;
let identity: string;
let hostCa: string;
let userCa: string;

const view: RotationView = {
  phase: 'update_clients',
  next: ['update_servers', 'rollback'],
  mode: 'manual',
  uses: ['host', 'user'],
  startedAt: '2026-11-28T12:00:00.000Z',
  phaseSince: '2026-11-28T13:00:00.000Z',
  graceSeconds: 172_800,
  agents: { total: 200, followed: 180 },
};

beforeAll(async () => {
  plane = await fakeControlPlane();
  identity = await plane.identity('admin');
  const make = async (use: 'host' | 'user') =>
    (await createAuthority({ use, clusterName: 'example.test', clock: systemClock })).certificate;
  [hostCa, userCa] = [(await make('host')) + (await make('host')), await make('user')];
  plane.replies.set('/v1/auth/rotation', view);
  plane.replies.set('/v1/trust', { clusterName: 'example.test', hostCa, userCa, caPins: [] });
});
afterAll(() => plane[Symbol.asyncDispose]());

function run(args: readonly string[], folder = temporaryFolder()) {
  writeFileSync(join(folder, 'id.pem'), identity, { mode: 0o600 });
  return runToolHere(tctl, ['-i', join(folder, 'id.pem'), ...args], { cwd: folder });
}

describe('tctl auth rotate', () => {
  test('says where the rotation is and what may come next, as text and as JSON', async () => {
    const { out } = await run(['auth', 'rotate', '--manual', '--phase=update_clients']);
    expect(out).toContain('update_clients since 2026-11-28T13:00:00.000Z (manual, host and user, started');
    expect(out).toContain('180 of 200 agents and services');
    expect(out).toContain('update_servers or rollback, by tctl auth rotate --manual');
    expect(out).toContain('20 would not have followed');
    expect(out).toContain('tctl status');
    expect(plane.requests.at(-1)).toMatchObject({
      method: 'POST',
      commandId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    const json = await run(['auth', 'rotate', '--manual', '--phase=update_clients', '--format=json']);
    expect(JSON.parse(json.out)).toEqual(view);
  });

  test.each([
    [['--manual'], 'a manual rotation is moved by --manual --phase'],
    [['--phase=init'], 'a manual rotation is moved by --manual --phase'],
    [['--manual', '--phase=done'], 'unknown format "done", must be one of ["init", "update_clients"'],
    [['--type=db'], 'must be one of ["host", "user", "all"]'],
    [['--grace-period=1s'], '--grace-period must be between 3s and 365 days'],
  ])('refuses %j', async (flags, message) => {
    const before = plane.requests.length;
    expect((await run(['auth', 'rotate', ...flags])).err).toContain(message);
    expect(plane.requests).toHaveLength(before);
  });

  test('tells everything in its help', async () => {
    const { out } = await run(['auth', 'rotate', '--help']);
    for (const flag of ['--type', '--manual', '--phase', '--grace-period', '--force', '--format', 'rollback'])
      expect(out).toContain(flag);
  });
});

describe('tctl status', () => {
  test('shows a rotation under way, with both pins', async () => {
    const pins = [`sha256:${'ab'.repeat(32)}`, `sha256:${'cd'.repeat(32)}`];
    const rotation = { ...view, mode: 'automatic', nextAt: '2026-11-29T05:00:00.000Z' };
    const status = { clusterName: 'example.test', version: '0.1.0', caPins: pins, rotation };
    plane.replies.set('/v1/status', status);
    const { out } = await run(['status']);
    for (const pin of pins) expect(out).toContain(`CA pin       ${pin}\n`);
    expect(out).toContain('the new authorities certify agents and people');
    expect(out).toContain('update_servers at 2026-11-29T05:00:00.000Z; 20 would not have followed');
    expect(JSON.parse((await run(['status', '--format=json'])).out)).toEqual(status);
    const over = {
      phase: 'standby',
      next: ['init'],
      uses: [],
      lastRotated: view.startedAt,
      agents: view.agents,
    };
    plane.replies.set('/v1/status', { ...status, caPins: [pins[1]!], rotation: over });
    expect((await run(['status'])).out).toContain(`CA rotated  ${view.startedAt}\n`);
    plane.replies.delete('/v1/status');
  });
});

describe('tctl auth export', () => {
  test('prints the certificates of an authority, all that are trusted', async () => {
    expect((await run(['auth', 'export'])).out).toBe(hostCa);
    expect((await run(['auth', 'export', '--type=tls-host'])).out).toBe(hostCa);
    expect((await run(['auth', 'export', '--type=user'])).out).toBe(userCa);
  });

  test('prints their pins', async () => {
    const { out } = await run(['auth', 'export', '--type=user', '--fingerprint']);
    expect(out).toBe(`${caPin(userCa)}\n`);
  });

  test('writes a file, and no second one over it', async () => {
    const folder = temporaryFolder();
    await run(['auth', 'export', '--out=ca.pem'], folder);
    expect(readFileSync(join(folder, 'ca.pem'), 'utf8')).toBe(hostCa);
    expect((await run(['auth', 'export', '--out=ca.pem'], folder)).err).toContain('exists');
  });

  test('gives no private key', async () => {
    const { out, err } = await run(['auth', 'export', '--keys']);
    expect(out).toBe('');
    expect(err).toContain('private keys of authorities');
  });
});
