/** One Kubernetes cluster as it is reached through the proxy. */
export interface KubeEndpoint {
  /** `host:port` of the proxy. */
  readonly proxy: string;
  readonly teleportCluster: string;
  readonly kubeCluster: string;
}

/** The address that a kubeconfig names: one proxy, the cluster in the path, so that one certificate reaches them all. */
export function kubeServer({ proxy, teleportCluster, kubeCluster }: KubeEndpoint): string {
  return `https://${proxy}/v1/teleport/${base64url(teleportCluster)}/${base64url(kubeCluster)}`;
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}
