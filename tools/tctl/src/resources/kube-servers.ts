import type { KubeServer, ResourceDocument } from '@postern/client';

/** What is read as a resource and comes from the agents' reports: one for each agent and cluster. */
export const kubeServerKind = 'kube_server';

/** Whether a word means the servers of clusters. */
export function isKubeServerWord(word: string): boolean {
  return ['kube_server', 'kube_servers'].includes(word.toLowerCase());
}

/** An agent's report of a cluster as a document. The state of the cluster is in its status. */
export function kubeServerDocument({ agentId, hostname, version, expires, cluster }: KubeServer) {
  const { name, labels, condition, health, kubeVersion } = cluster;
  const document: ResourceDocument = {
    kind: kubeServerKind,
    version: 'v3',
    metadata: { name, labels, expires },
    spec: {
      version,
      hostname,
      host_id: agentId,
      cluster: { kind: 'kube_cluster', version: 'v3', metadata: { name, labels }, spec: {} },
    },
  };
  return {
    ...document,
    status: {
      target_health: {
        status: condition.state,
        reason: condition.reason,
        message: condition.message,
        reachable: health === 'online',
        kubernetes_version: kubeVersion,
      },
    },
  };
}

/** `healthy`, or `unhealthy: why`. */
export function healthText(resource: ResourceDocument): string {
  const status = (resource as Partial<ReturnType<typeof kubeServerDocument>>).status;
  const { status: state = '', message = '' } = status?.target_health ?? {};
  return message === '' ? state : `${state}: ${message}`;
}
