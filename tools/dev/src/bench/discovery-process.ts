import { connectBus } from '@postern/bus';
import { systemClock } from '@postern/core';
import { type DiscoverySection, readTeleportYaml } from '@postern/config';
import { discoveryService } from '@postern/discovery-svc';
import { startTelemetry } from '@postern/telemetry';

/** What a member of a discovery group is told. */
export interface DiscoveryPlan {
  readonly natsUrl: string;
  readonly agentId: string;
  readonly config: string;
  readonly env: Readonly<Record<string, string>>;
}

/** A member of a discovery group in a process of its own. */
const { natsUrl, agentId, config, env } = JSON.parse(process.argv[2] ?? '{}') as DiscoveryPlan;

// Whoever started this is gone: nothing of ours is worth keeping.
process.once('disconnect', () => process.exit());
Object.assign(process.env, env);

const scope = new AsyncDisposableStack();
const clock = systemClock;
const telemetry = scope.use(startTelemetry('discovery-svc', { level: 'warn' }));
const bus = scope.use(await connectBus({ servers: natsUrl, name: 'discovery-svc', telemetry }));
const section: DiscoverySection = readTeleportYaml(config).discovery;
const options = { section, heartbeatIntervalMs: 30_000, env, allowLoopback: true };
const service = scope.use(discoveryService({ bus, agentId, telemetry, clock }, options));
await service.ready;
process.send?.('ready');
await new Promise((resolve) => process.once('SIGTERM', resolve));
await scope.disposeAsync();
process.exit();
