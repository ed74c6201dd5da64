import { randomUUID } from 'node:crypto';
import { type Bus, connectBus } from '@postern/bus';
import { agentSubjects, type Heartbeat, type ServedReport } from '@postern/contracts';
import { version } from '@postern/core';
import { startTelemetry } from '@postern/telemetry';

/** So many agents, of which each says that it is there once in an interval. */
export interface HeartbeatPlan {
  readonly natsUrl: string;
  readonly agents: number;
  readonly intervalMs: number;
}

const { natsUrl, agents, intervalMs } = JSON.parse(process.argv[2] ?? '{}') as HeartbeatPlan;
const tickMs = 10;
// Whoever started this is gone: nothing of ours is worth keeping.
process.once('disconnect', () => process.exit());
process.once('SIGTERM', () => process.exit());

/** What an agent says that never changes while it runs. */
const runs = Array.from({ length: agents }, () => ({
  agentId: randomUUID(),
  run: randomUUID(),
  startedAt: new Date().toISOString(),
}));

const telemetry = startTelemetry('agents', { level: 'warn' });
const bus = await connectBus({ servers: natsUrl, name: 'agents', telemetry });
process.send?.('ready');

const started = performance.now();
let said = 0;
setInterval(() => {
  const due = Math.floor(((performance.now() - started) / intervalMs) * agents);
  for (; said < due; said += 1) beat(bus, said % agents, Math.floor(said / agents));
}, tickMs);

/** As libs/agent does: an agent that has just come says first what it serves. */
function beat(bus: Bus, index: number, sequence: number): void {
  const run = runs[index]!;
  const { agentId } = run;
  if (sequence === 0) bus.publish(agentSubjects.served(agentId), served(index) satisfies ServedReport);
  const body: Heartbeat = {
    ...run,
    sequence,
    intervalMs,
    version,
    hostname: `host-${index}`,
    services: ['Kube'],
    servedRevision: 1,
    sentAt: new Date().toISOString(),
  };
  bus.publish(agentSubjects.heartbeat(agentId), body);
}

function served(index: number): ServedReport {
  return { ...runs[index]!, revision: 1, clusters: [] };
}
