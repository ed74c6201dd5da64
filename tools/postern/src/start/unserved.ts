import { startHeartbeat } from '@postern/agent';
import { common, readConfig, type UnservedService } from '@postern/config';
import { type Host, joinCluster, nodeName, type Started } from './host.ts';

/**
 * Joins for a service whose protocol Postern does not serve: the agent is in the inventory, can be locked and renews itself, and
 * nothing listens.
 */
export async function startUnserved(
  host: Host,
  { section, role, protocol }: UnservedService,
): Promise<Started> {
  const { env, scope, telemetry, clock } = host;
  const { heartbeatIntervalMs } = readConfig({ heartbeatIntervalMs: common.heartbeatIntervalMs }, env);
  const { identity, bus } = await joinCluster(host, role, []);
  const { agentId } = identity;
  const beat = { bus, identity, hostname: nodeName(host), services: [role], telemetry, clock };
  scope.use(startHeartbeat({ ...beat, intervalMs: heartbeatIntervalMs }));
  telemetry.log.warn(`${section} joined and is in the inventory; Postern does not serve ${protocol}`, {
    agentId,
  });
  return { name: section, ready: Promise.resolve(), identity };
}
