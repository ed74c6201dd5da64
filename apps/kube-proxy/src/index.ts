export {
  everyCluster,
  type KubeProxyConfig,
  kubeProxyConfig,
  outboundOf,
  selectorOf,
  serviceConfigOf,
} from './config.ts';
export { FactLog } from './facts/fact-log.ts';
export {
  type KubeProxyService,
  kubeProxyService,
  type KubeProxyServiceConfig,
  type KubeProxyServiceDeps,
  viewsOf,
} from './kube-proxy.ts';
export { readSection } from './read-section.ts';
export {
  type EdgeConfig,
  type EdgeDeps,
  type EdgeService,
  edgeService,
  type KubeConfig,
  type KubeDeps,
  type KubeProxyDeps,
  type KubeService,
  kubeService,
  type ListenAt,
} from './service.ts';
export { type RunningKubeProxy, startKubeProxy } from './start.ts';
