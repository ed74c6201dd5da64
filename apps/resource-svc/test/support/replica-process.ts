import { readFileSync } from 'node:fs';
import { connectBus } from '@postern/bus';
import { Secret, systemClock } from '@postern/core';
import { HeldIdentity, type IdentityMaterial } from '@postern/identity';
import { silentTelemetry } from '@postern/telemetry';
import { openResourceStore, resourceService } from '../../src/index.ts';

/** What a replica in a process of its own is told, in the file that its argument names. */
export interface ReplicaSetting {
  readonly postgresUrl: string;
  readonly natsUrl: string;
  readonly key: string;
  readonly identity: IdentityMaterial;
}

const setting = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as ReplicaSetting;
const telemetry = silentTelemetry('resource-svc');
const clock = systemClock;
const store = await openResourceStore(new Secret(setting.postgresUrl), { telemetry, clock });
const bus = await connectBus({ servers: setting.natsUrl, name: 'resource-svc', telemetry });
const deps = { store, bus, identity: new HeldIdentity(setting.identity), telemetry, clock };
await resourceService(deps, {
  key: new Secret(setting.key),
  heartbeatIntervalMs: 30_000,
  garbageAfterMs: 1000,
});
process.stdout.write('ready\n');
