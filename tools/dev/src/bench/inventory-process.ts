import { connectBus, eventStream, openView } from '@postern/bus';
import { everything } from '@postern/contracts';
import { Secret, systemClock } from '@postern/core';
import { inventoryService, openInventoryStore } from '@postern/inventory-svc';
import { openPolicy } from '@postern/policy';
import { startTelemetry } from '@postern/telemetry';
import { selfMadeIdentity } from './self-made-identity.ts';
import type { Servers } from './servers.ts';

/**
 * inventory-svc in a process of its own, with the times that it has where nobody says otherwise. Nobody asks it anything, so that it
 * need not know who may.
 */
const { postgresUrl, natsUrl } = JSON.parse(process.argv[2] ?? '{}') as Servers;

const clock = systemClock;
// Whoever started this is gone: nothing of ours is worth keeping.
process.once('disconnect', () => process.exit());

const scope = new AsyncDisposableStack();
const telemetry = scope.use(startTelemetry('inventory-svc', { level: 'info' }));
const store = scope.use(await openInventoryStore(new Secret(postgresUrl), { telemetry, clock }));
const bus = scope.use(await connectBus({ servers: natsUrl, name: 'inventory-svc', telemetry }));
// join-svc makes them, and nobody joins here.
await bus.reconcileStreams([eventStream('join')]);
const identity = await selfMadeIdentity();
const agentId = identity.current().principal.id;
const policy = scope.use(openPolicy(bus, agentId, { clock }));
const clusters = scope.use(openView(bus, { agentId, selector: everything('kube_cluster'), clock }));
scope.use(
  await inventoryService(
    { store, bus, identity, policy, clusters, telemetry, clock },
    {
      flushMs: 1000,
      scanMs: 5000,
      retentionMs: 600_000,
      maxPolicyAgeMs: 300_000,
      heartbeatIntervalMs: 30_000,
    },
  ),
);
await bus.flush();
process.send?.('ready');
await new Promise((resolve) => process.once('SIGTERM', resolve));
await scope.disposeAsync();
// The channel to whoever started this would keep the process.
process.exit();
