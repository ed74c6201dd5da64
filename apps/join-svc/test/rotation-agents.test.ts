import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type IdentityOptions, type JoinedProcess, joinProcess } from '@postern/agent';
import type { RotationPhase, StatusReply, TrustReply } from '@postern/contracts';
import { Secret, systemClock } from '@postern/core';
import { caPin, issuerPin } from '@postern/identity';
import { silentTelemetry } from '@postern/telemetry';
import { until } from '@postern/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  administrator,
  call,
  type ControlPlane,
  type Replica,
  serviceToken,
  startControlPlane,
  startEdge,
} from './control-plane.ts';

let scope: AsyncDisposableStack;
let plane: ControlPlane;
let replica: Replica;
let folder: string;
const telemetry = silentTelemetry();

beforeEach(async () => {
  scope = new AsyncDisposableStack();
  plane = scope.use(await startControlPlane());
  replica = await plane.replica({ adminIdentityFile: join(plane.dataDir, 'admin.pem') });
  folder = await mkdtemp(join(tmpdir(), 'rotation-'));
  scope.defer(() => rm(folder, { recursive: true }));
  const spec = { allow: { rules: [{ resources: ['*'], verbs: ['*'] }] } };
  const metadata = { name: 'editor' };
  await plane.views.put('role', 'editor', { kind: 'role', version: 'v7', metadata, spec });
  const admin = { roles: ['editor'], traits: {} };
  await plane.views.put('user', 'admin', {
    kind: 'user',
    version: 'v2',
    metadata: { name: 'admin' },
    spec: admin,
  });
});
afterEach(() => scope.disposeAsync());

const ask: typeof call = async (_, path, options) => {
  const forward = await startEdge(replica);
  return forward(replica, path, {
    ...options,
    as: await administrator(join(plane.dataDir, 'admin.pem')),
  });
};

/** Moves the rotation on. Those that only asked something do not follow anything. */
async function rotate(phase: RotationPhase): Promise<void> {
  await until('it is moved on', async () => {
    const { status } = await ask(replica, '/v1/auth/rotation', { body: { phase, force: true } });
    return status === 200;
  });
}

const trust = async () => (await call<TrustReply>(replica, '/v1/trust')).body;

/** The process of an agent, in the folder of its name. */
async function agent(name: string, options: Pick<IdentityOptions, 'trust'>): Promise<JoinedProcess> {
  return scope.use(
    await joinProcess({
      joinUrls: [replica.url],
      token: new Secret(serviceToken),
      roles: ['Kube'],
      hostname: name,
      dataDir: join(folder, name),
      busServers: plane.nats.url,
      telemetry,
      clock: systemClock,
      ...options,
    }),
  );
}

async function revisionOf({ identity: { agentId } }: JoinedProcess): Promise<number> {
  const { db } = replica.store;
  const row = await db.selectFrom('agent_key').selectAll().where('agent_id', '=', agentId).executeTakeFirst();
  return row?.trust_revision ?? -1;
}

const followed = (process: JoinedProcess, revision: number) =>
  until('the agent has followed', async () => (await revisionOf(process)) === revision);

describe('an agent that is there', () => {
  test('follows each phase while it runs, and is what it was after a restart (C-13)', async () => {
    const { hostCa, caPins } = await trust();
    const options = { trust: { caPin: caPins } };
    const running = await agent('follower', options);
    const { agentId, held } = running.identity;
    const issuer = () => issuerPin(held.current().certificate, held.current().hostCa);

    await rotate('init');
    await followed(running, 1);
    const both = await trust();
    const candidate = both.caPins[1];
    expect(held.current().hostCa).toBe(both.hostCa);
    expect(issuer()).toBe(caPins[0]);

    await rotate('update_clients');
    await followed(running, 2);
    expect(issuer()).toBe(candidate);
    await rotate('update_servers');
    await followed(running, 3);
    await rotate('standby');
    await until('it trusts the new authority alone', () => held.current().hostCa !== both.hostCa, {
      withinMs: 2_000,
    });
    await followed(running, 4);
    expect(held.current().hostCa).not.toContain(hostCa);
    await running.identity.check();
    expect(running.identity.lost.aborted).toBe(false);
    expect(telemetry.lines.join('\n')).not.toContain('telling whom this process trusts');

    await running[Symbol.asyncDispose]();
    const again = await agent('follower', options);
    expect(again.identity).toMatchObject({ agentId, held: expect.anything() });
  });

  test('goes back with a rotation that is turned back (C-13)', async () => {
    const { hostCa, caPins } = await trust();
    const running = await agent('back', { trust: { caPin: caPins } });
    const { held } = running.identity;
    await rotate('init');
    await rotate('update_clients');
    await followed(running, 2);
    await rotate('rollback');
    await followed(running, 3);
    expect(issuerPin(held.current().certificate, hostCa)).toBe(caPins[0]);
    await rotate('standby');
    await until('it trusts the old authority alone', () => held.current().hostCa === hostCa);
    await running.identity.check();
    expect(running.identity.lost.aborted).toBe(false);
  });
});

describe('an agent that slept through a rotation', () => {
  test.each(['the pin', 'the certificate'])(
    'joins again by itself, configured with %s of the old authority, once (C-13)',
    async (what) => {
      const { hostCa, caPins } = await trust();
      const caFile = join(folder, 'old-ca.pem');
      await writeFile(caFile, hostCa);
      const options = { trust: what === 'the pin' ? { caPin: caPins } : { caFile } };
      const before = await agent('sleeper', options);
      const { agentId } = before.identity;
      await before[Symbol.asyncDispose]();
      for (const phase of ['init', 'update_clients', 'update_servers', 'standby'] as const)
        await rotate(phase);

      const after = await agent('sleeper', options);
      const now = await trust();
      expect(now.caPins).not.toEqual(caPins);
      expect(after.identity.agentId).not.toBe(agentId);
      expect(after.identity.held.current().hostCa).toBe(now.hostCa);
      await after[Symbol.asyncDispose]();
      const again = await agent('sleeper', options);
      expect(again.identity.agentId).toBe(after.identity.agentId);
    },
  );

  test('and wakes before its end follows the rest of it', async () => {
    const { caPins } = await trust();
    const options = { trust: { caPin: caPins } };
    const before = await agent('early', options);
    const { agentId } = before.identity;
    await before[Symbol.asyncDispose]();
    for (const phase of ['init', 'update_clients', 'update_servers'] as const) await rotate(phase);
    const after = await agent('early', options);
    await followed(after, 3);
    await rotate('standby');
    await followed(after, 4);
    expect(after.identity.agentId).toBe(agentId);
  });

  test('trusts nobody who has neither the old nor the new authority, and says what it saw', async () => {
    const { caPins } = await trust();
    const stranger = `sha256:${'ab'.repeat(32)}`;
    await expect(agent('misled', { trust: { caPin: stranger } })).rejects.toThrow(
      `has the pin ${stranger}, it has ${caPins[0]}`,
    );
  });
});

test('the status tells how far the rotation is', async () => {
  const running = await agent('counted', { trust: { caPin: (await trust()).caPins } });
  await rotate('init');
  await followed(running, 1);
  const { body } = await ask<StatusReply>(replica, '/v1/status');
  expect(body.caPins).toHaveLength(2);
  expect(body.rotation).toMatchObject({ phase: 'init', mode: 'manual', uses: ['host', 'user'] });
  expect(body.caPins[0]).toBe(caPin(replica.ca));
});
