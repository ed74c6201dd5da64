import { mayReachCluster } from '@postern/access';
import { ServedClustersReply, type ServedClusterView } from '@postern/contracts';
import { allowIf, route } from '@postern/http';
import type { Policy, UserState } from '@postern/policy';
import { callerOf, type ServiceDeps } from '../service-deps.ts';
import { onlineReports } from './served-reports.ts';
import { servedClusters } from './visible-clusters.ts';

export const listClusters = route<ServiceDeps>()({
  method: 'GET',
  url: '/v1/inventory/clusters',
  allow: allowIf<ServiceDeps>(
    'a user; sees the clusters that its roles select',
    ({ deps, principal }) => callerOf(deps, principal) !== undefined,
  ),
  reply: ServedClustersReply,
  async handle(deps, { principal }) {
    const user = callerOf(deps, principal);
    const clusters = servedClusters(await onlineReports(deps.db), deps.registered);
    return { clusters: user ? visibleTo(user, deps.policy, clusters) : [] };
  },
});

/** The clusters that a user may know of: those that some role of the user selects and none refuses. */
export function visibleTo(
  user: UserState,
  policy: Pick<Policy, 'rolesOf'>,
  clusters: readonly ServedClusterView[],
): ServedClusterView[] {
  const roles = policy.rolesOf(user);
  return clusters.filter((cluster) => mayReachCluster({ user, roles, cluster }));
}
