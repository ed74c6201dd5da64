import { locateIdentity, openApi, openIdentity } from '@postern/client';
import { messageOf, systemClock } from '@postern/core';
import type { Progress } from '@postern/lab';
import type { ContextCluster } from './contexts.ts';

/** Clusters with this label are served by the kube agent of this very process; agents elsewhere choose by their own matchers. */
export const localLabel = { key: 'postern.dev/agent', value: 'local' } as const;

/** Where and as whom the clusters are registered. */
export interface Registration {
  readonly proxy: string;
  readonly identityFile: string;
  readonly progress: Progress;
}

/** Creates or updates a kube_cluster for each, and waits until each is served. One that is refused is told and skipped. */
export async function registerClusters(clusters: readonly ContextCluster[], to: Registration): Promise<void> {
  const located = locateIdentity({ identity: to.identityFile, proxy: to.proxy, env: {}, cwd: '/' });
  const { key, certificate, caPem, proxy } = await openIdentity(located, systemClock);
  await using api = openApi({ proxy, caPem, identity: { key, certificate } });
  const registered: string[] = [];
  for (const { name, kubeconfig } of clusters) {
    try {
      await api.resources.put({
        kind: 'kube_cluster',
        version: 'v3',
        metadata: { name, labels: { [localLabel.key]: localLabel.value } },
        spec: { kubeconfig: Buffer.from(kubeconfig).toString('base64') },
      });
      registered.push(name);
    } catch (error) {
      to.progress(`the cluster ${name} was not registered: ${messageOf(error)}`);
    }
  }
  await untilServed(registered, async () =>
    (await api.inventory.clusters()).filter((c) => c.health === 'online').map((c) => c.name),
  );
}

async function untilServed(names: readonly string[], served: () => Promise<string[]>): Promise<void> {
  const end = performance.now() + 60_000;
  for (;;) {
    const now: readonly string[] = await served().catch(() => []);
    const missing = names.filter((name) => !now.includes(name));
    if (missing.length === 0) return;
    if (performance.now() > end) throw new Error(`no agent serves ${missing.join(', ')} after a minute`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
