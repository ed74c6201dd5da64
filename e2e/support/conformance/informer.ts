import { CoreV1Api, KubeConfig, makeInformer, type V1ConfigMap } from '@kubernetes/client-node';

/** An informer that runs, and what it has told so far as `<event> <name>`. */
export interface Seeing {
  readonly seen: readonly string[];
  stop(): Promise<void>;
}

/** Lists and watches the config maps `seen-…` of a namespace as controllers written for Node.js do. */
export async function watchConfigMaps({
  kubeconfig,
  namespace,
  env,
}: {
  readonly kubeconfig: string;
  readonly namespace: string;
  /** For the program that a kubeconfig may run to get credentials. */
  readonly env: Readonly<Record<string, string>>;
}): Promise<Seeing> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  for (const { exec } of config.users)
    if (exec)
      exec.env = [...(exec.env ?? []), ...Object.entries(env).map(([name, value]) => ({ name, value }))];
  const api = config.makeApiClient(CoreV1Api);
  const seen: string[] = [];
  const path = `/api/v1/namespaces/${namespace}/configmaps`;
  const informer = makeInformer<V1ConfigMap>(config, path, () => api.listNamespacedConfigMap({ namespace }));
  for (const event of ['add', 'update', 'delete'] as const)
    informer.on(event, ({ metadata }) => {
      if (metadata?.name?.startsWith('seen-')) seen.push(`${event} ${metadata.name}`);
    });
  const failed = new Promise<never>((_, reject) => informer.on('error', reject));
  failed.catch(() => undefined);
  await Promise.race([informer.start(), failed]);
  return { seen, stop: () => informer.stop() };
}
