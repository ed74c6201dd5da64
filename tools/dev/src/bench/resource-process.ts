import { connectBus, eventStream } from '@postern/bus';
import { Secret, systemClock } from '@postern/core';
import { newKeyText } from '@postern/identity';
import { openResourceStore, resourceService } from '@postern/resource-svc';
import { startTelemetry } from '@postern/telemetry';
import { selfMadeIdentity } from './self-made-identity.ts';
import type { Servers } from './servers.ts';

/** resource-svc in a process of its own, certified by nobody but itself: what is measured goes over the bus. */
const { postgresUrl, natsUrl } = JSON.parse(process.argv[2] ?? '{}') as Servers;

const clock = systemClock;
// Whoever started this is gone: nothing of ours is worth keeping.
process.once('disconnect', () => process.exit());

const scope = new AsyncDisposableStack();
const telemetry = scope.use(startTelemetry('resource-svc', { level: 'warn' }));
const store = scope.use(await openResourceStore(new Secret(postgresUrl), { telemetry, clock }));
const bus = scope.use(await connectBus({ servers: natsUrl, name: 'resource-svc', telemetry }));
// join-svc makes it, and nobody joins here.
await bus.reconcileStreams([eventStream('join')]);
const deps = { store, bus, identity: await selfMadeIdentity(), telemetry, clock };
const service = scope.use(await resourceService(deps, { key: newKeyText(), heartbeatIntervalMs: 30_000 }));
await service.listen({ host: '127.0.0.1', port: 0 });
process.send?.('ready');
await new Promise((resolve) => process.once('SIGTERM', resolve));
await scope.disposeAsync();
// The channel to whoever started this would keep the process.
process.exit();
