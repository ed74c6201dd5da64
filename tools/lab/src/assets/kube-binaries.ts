/** The Kubernetes programs a lab can ask for. */
export type KubeBinary =
  | 'kube-apiserver'
  | 'etcd'
  | 'kubectl'
  | 'kubelet'
  | 'kube-controller-manager'
  | 'kube-scheduler';

/** Where some of them lie. */
export type KubeAssets = Readonly<Partial<Record<KubeBinary, string>>>;

/** Programs that must be of one version: they speak the API server's internal dialect. */
export function isServerBinary(binary: KubeBinary): boolean {
  return binary !== 'etcd' && binary !== 'kubectl';
}
