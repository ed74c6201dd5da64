import { command, type CliContext, requiredText } from '@postern/cli';
import { withLock } from '@postern/client';
import { cachePath, type KubeCredential, readCached, writeCached } from '../credentials/cache.ts';
import { execCredential, execVersion } from '../credentials/exec-credential.ts';

const lockWaitMs = 30_000;

/**
 * What kubectl runs before it connects. With a cached certificate it reads two small files and loads next to nothing;
 * only one of many parallel calls fetches a new one, the others wait for it.
 */
export const kubeCredentials = command({
  name: 'kube credentials',
  summary: 'Print a credential for kubectl',
  isHidden: true,
  args: {},
  flags: {
    kubeCluster: requiredText('--kube-cluster <name>', 'The Kubernetes cluster'),
    teleportCluster: requiredText('--teleport-cluster <name>', 'The cluster it is reached through'),
  },
  async run(context, { flags }) {
    const located = context.locate();
    const proxy = located.proxy ?? (await context.identity()).proxy;
    const { kubeCluster, teleportCluster } = flags;
    const version = execVersion(context.env['KUBERNETES_EXEC_INFO'], { proxy, kubeCluster, teleportCluster });
    const path = cachePath({ located, proxy, teleportCluster });
    const credential = readCached(path, context.clock()) ?? (await refresh(context, path, teleportCluster));
    context.terminal.write(execCredential(version, credential));
  },
});

function refresh(context: CliContext, path: string, teleportCluster: string): Promise<KubeCredential> {
  return withLock(`${path}.lock`, lockWaitMs, async () => {
    const made = readCached(path, context.clock());
    if (made) return made;
    const { fetchCredential } = await import('../credentials/fetch-credential.ts');
    const credential = await fetchCredential(context, teleportCluster);
    writeCached(path, credential, context.clock());
    return credential;
  });
}
