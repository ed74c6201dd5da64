import { common, readConfig } from '@postern/config';
import { selectorHash } from '@postern/contracts';
import { discoverySelector, discoveryService } from '@postern/discovery-svc';
import { type Host, joinCluster, type Started } from './host.ts';
import { isOnThisMachine } from './local-address.ts';

/** Starts `discovery_service`. */
export async function startDiscovery(host: Host): Promise<Started> {
  const { config, env, scope, telemetry, clock } = host;
  const { heartbeatIntervalMs } = readConfig({ heartbeatIntervalMs: common.heartbeatIntervalMs }, env);
  const { identity, bus } = await joinCluster(host, 'Discovery', [selectorHash(discoverySelector)]);
  const { agentId } = identity;
  const deps = { bus, agentId, telemetry, clock };
  const allowLoopback = await isOnThisMachine(host.joinUrls[0]!);
  const section = config.discovery;
  const service = scope.use(discoveryService(deps, { section, heartbeatIntervalMs, env, allowLoopback }));
  telemetry.log.info('the Discovery Service runs', { agentId, group: config.discovery.discoveryGroup });
  return { name: 'discovery_service', ready: service.ready, identity };
}
