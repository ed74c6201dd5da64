import { joinProcess } from '@postern/agent';
import { createOperatorConfig } from '@postern/bus';
import { systemClock } from '@postern/core';
import { caPin } from '@postern/identity';
import { silentTelemetry } from '@postern/telemetry';
import { until } from '@postern/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ControlPlane, type Replica, serviceToken, startControlPlane } from './control-plane.ts';

let plane: ControlPlane;
let replica: Replica;

beforeAll(async () => {
  plane = await startControlPlane(createOperatorConfig());
  replica = await plane.replica();
});
afterAll(() => plane[Symbol.asyncDispose]());

/** The credentials that the server knows a user by, one for each connection. */
async function inUse(name: string): Promise<(string | undefined)[]> {
  const reply = await fetch(`${plane.nats.monitorUrl()}/connz?auth=1`);
  const { connections } = (await reply.json()) as { connections: { name: string; jwt?: string }[] };
  return connections.filter((each) => each.name === name).map(({ jwt }) => jwt);
}

test('a joined process uses the credential of its latest renewal at once', async () => {
  await using joined = await joinProcess({
    joinUrls: [replica.url],
    trust: { caPin: caPin(replica.ca) },
    token: serviceToken,
    roles: ['Kube'],
    hostname: 'h',
    telemetry: silentTelemetry('agent'),
    clock: systemClock,
  });
  const { identity, bus } = joined;
  expect(await inUse(identity.agentId)).toEqual([identity.bus.jwt]);
  const first = identity.bus.jwt;
  await identity.renew();
  await until('the new one is in use', async () => {
    const [jwt, ...others] = await inUse(identity.agentId);
    return others.length === 0 && jwt !== first && jwt === identity.bus.jwt;
  });
  await bus.flush();
});

test('a joined service has the permissions of that service and no others', async () => {
  await using joined = await joinProcess({
    joinUrls: [replica.url],
    trust: { caPin: caPin(replica.ca) },
    token: serviceToken,
    roles: ['Auth'],
    service: 'inventory-svc',
    hostname: 'h',
    telemetry: silentTelemetry('inventory-svc'),
    clock: systemClock,
  });
  const { bus, identity } = joined;
  for (let renewals = 0; renewals < 2; renewals += 1) {
    await bus.publishDurable('evt.inventory.00.agent.a1.AgentSeen', {});
    await expect(bus.publishDurable('evt.resource.00.role.a.ResourceDeleted', {})).rejects.toMatchObject({
      code: 'bus.forbidden',
    });
    await identity.renew();
  }
});
