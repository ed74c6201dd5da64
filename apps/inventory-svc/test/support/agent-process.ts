import { startHeartbeat } from '@postern/agent';
import { connectBus } from '@postern/bus';
import { untilSignalled } from '@postern/core';
import { silentTelemetry } from '@postern/telemetry';

/** An agent as a process, to be ended in more ways than one: `node agent-process.ts <NATS URL> <agent id> <interval in ms>`. */
const [servers = '', agentId = '', intervalMs = ''] = process.argv.slice(2);
const telemetry = silentTelemetry('agent');

await using bus = await connectBus({ servers, name: agentId, telemetry });
await using _heartbeats = startHeartbeat({
  bus,
  identity: { agentId },
  hostname: `host-of-${agentId}`,
  services: ['Kube'],
  intervalMs: Number(intervalMs),
  telemetry,
});
await untilSignalled();
