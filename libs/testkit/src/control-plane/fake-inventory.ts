import type { FakeControlPlane } from './fake-control-plane.ts';
import { ok, refusal, type Reply } from './fake-replies.ts';

/** Two agents, of which one serves the clusters of the fake. */
export function inventoryReply(plane: FakeControlPlane, path: string, query: URLSearchParams): Reply {
  const agents = [
    {
      agentId: 'a1',
      hostname: 'one',
      services: ['Kube'],
      version: '0.1.0',
      upgrader: '',
      presence: 'online',
      lastSeen: '',
      startedAt: '',
    },
    {
      agentId: 'b2',
      hostname: 'two',
      services: ['Kube', 'Discovery'],
      version: '0.0.9',
      upgrader: 'unit',
      presence: 'offline',
      lastSeen: '',
      startedAt: '',
    },
  ];
  if (path === '/v1/inventory/agents') {
    return ok({ agents: query.get('connected') === 'true' ? agents.slice(0, 1) : agents, isLast: true });
  }
  if (path === '/v1/inventory/status') {
    return ok({
      versions: { '0.1.0': 1, '0.0.9': 1 },
      upgraders: {},
      services: { Kube: 2, Discovery: 1 },
      total: 2,
    });
  }
  const condition = {
    state: 'unhealthy',
    reason: 'permissions',
    message: 'its credentials may not get pods',
  };
  if (path === '/v1/inventory/kube_servers') {
    const agent = { agentId: 'a1', hostname: 'one', version: '0.1.0', expires: '2040-01-01T00:00:00.000Z' };
    const state = { health: 'online', kubeVersion: 'v1.30.0', condition };
    return ok({
      servers: plane.clusters.map((cluster) => ({ ...agent, cluster: { ...cluster, ...state } })),
    });
  }
  if (path !== '/v1/inventory/clusters') return refusal(404, 'http.not_found', 'there is no such operation');
  const served = [{ agentId: 'a1', hostname: 'one', version: '0.1.0' }];
  return ok({
    clusters: plane.clusters.map((cluster) => ({
      ...cluster,
      health: 'online',
      condition,
      kubeVersion: 'v1.30.0',
      agents: served,
    })),
  });
}
