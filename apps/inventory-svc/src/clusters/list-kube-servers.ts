import { isAbout, visibleLabels } from '@postern/access';
import { type KubeServerView, KubeServersReply, unknownCondition } from '@postern/contracts';
import { route } from '@postern/http';
import { may, type ServiceDeps } from '../service-deps.ts';
import { type OnlineReport, onlineReports } from './served-reports.ts';
import type { RegisteredLabels } from './visible-clusters.ts';

export const listKubeServers = route<ServiceDeps>()({
  method: 'GET',
  url: '/v1/inventory/kube_servers',
  allow: may('list', 'kube_server'),
  reply: KubeServersReply,
  async handle(deps) {
    return { servers: kubeServers(await onlineReports(deps.db), deps.registered) };
  },
});

/**
 * What each agent serves, one by one. A cluster whose resource is gone is left out at once, even where its agent has not
 * noticed yet; what an agent claims beside the resource of that name is left out too.
 */
export function kubeServers(
  reports: readonly OnlineReport[],
  registered: RegisteredLabels,
): KubeServerView[] {
  const servers = reports.flatMap((agent) =>
    agent.clusters.flatMap((cluster): KubeServerView[] => {
      const labels = visibleLabels(registered(cluster.name), [cluster]);
      if (!labels || !isAbout(cluster, registered(cluster.name) !== undefined)) return [];
      const { agentId, hostname, version } = agent;
      const { name, health, kubeVersion, condition = unknownCondition } = cluster;
      return [
        {
          agentId,
          hostname,
          version,
          expires: agent.expires.toISOString(),
          cluster: { name, labels, health, kubeVersion, condition },
        },
      ];
    }),
  );
  return servers.toSorted(
    (a, b) => compare(a.cluster.name, b.cluster.name) || compare(a.hostname, b.hostname),
  );
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
