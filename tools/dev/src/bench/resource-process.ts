import { randomUUID } from 'node:crypto';
import { connectBus, eventStream } from '@postern/bus';
import { Secret, systemClock } from '@postern/core';
import {
  createAuthority,
  generateKeyPair,
  HeldIdentity,
  issueCertificate,
  newKeyText,
} from '@postern/identity';
import { openResourceStore, resourceService } from '@postern/resource-svc';
import { startTelemetry } from '@postern/telemetry';
import type { Servers } from './servers.ts';

/** resource-svc in a process of its own, certified by nobody but itself: what is measured goes over the bus. */
const { postgresUrl, natsUrl } = JSON.parse(process.argv[2] ?? '{}') as Servers;

const clusterName = 'bench';
const clock = systemClock;
// Whoever started this is gone: nothing of ours is worth keeping.
process.once('disconnect', () => process.exit());

const scope = new AsyncDisposableStack();
const telemetry = scope.use(startTelemetry('resource-svc', { level: 'warn' }));
const store = scope.use(await openResourceStore(new Secret(postgresUrl), { telemetry, clock }));
const bus = scope.use(await connectBus({ servers: natsUrl, name: 'resource-svc', telemetry }));
// join-svc makes it, and nobody joins here.
await bus.reconcileStreams([eventStream('join')]);
const deps = { store, bus, identity: await makeIdentity(), telemetry, clock };
const service = scope.use(await resourceService(deps, { key: newKeyText(), heartbeatIntervalMs: 30_000 }));
await service.listen({ host: '127.0.0.1', port: 0 });
process.send?.('ready');
await new Promise((resolve) => process.once('SIGTERM', resolve));
await scope.disposeAsync();
// The channel to whoever started this would keep the process.
process.exit();

async function makeIdentity(): Promise<HeldIdentity> {
  const host = await createAuthority({ use: 'host', clusterName, clock });
  const user = await createAuthority({ use: 'user', clusterName, clock });
  const { privateKey, publicKey } = await generateKeyPair();
  const certificate = await issueCertificate(host, {
    type: 'svc',
    id: randomUUID(),
    roles: ['Auth'],
    publicKey,
    generation: 1,
    notAfter: new Date(clock().getTime() + 3_600_000),
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
  });
  return new HeldIdentity({
    key: privateKey,
    certificate,
    clusterName,
    hostCa: host.certificate,
    userCa: user.certificate,
  });
}
