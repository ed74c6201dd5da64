import { messageOf } from '@postern/core';
import type { Progress } from '../progress.ts';
import { withLock } from '../process/lock-file.ts';
import { cacheDir } from './cache-dir.ts';
import { buildKubeFromDebian } from './debian-kube-build.ts';
import type { KubeAssets, KubeBinary } from './kube-binaries.ts';
import { findKubeAssets } from './kube-places.ts';
import { fetchOfficialKube, officialBinaries } from './official-kube.ts';

/** What to get, and who hears about it: getting it can take ten minutes, once. */
export interface KubeAssetsOptions<N extends KubeBinary> {
  readonly need: readonly N[];
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Absolute paths of Kubernetes programs. In this order: `$KUBEBUILDER_ASSETS`, PATH, our cache, the official archives, a
 * build from Debian's source package. Two processes that ask at once make one build.
 */
export async function ensureKubeAssets<const N extends KubeBinary>(
  options: KubeAssetsOptions<N>,
): Promise<Readonly<Record<N, string>>> {
  const ready = allOf(options.need);
  if (ready) return ready;
  const { signal, progress } = options;
  const onWait = (pid: number) =>
    progress?.(`process ${pid} is preparing the Kubernetes programs; waiting for it`);
  return withLock(cacheDir('kube', '.lock'), { onWait, signal }, async () => {
    const meanwhile = allOf(options.need);
    if (meanwhile) return meanwhile;
    const failures = await obtain(options);
    const obtained = allOf(options.need);
    if (obtained) return obtained;
    throw new Error(explain(options.need, failures));
  });
}

async function obtain({ need, progress, signal }: KubeAssetsOptions<KubeBinary>): Promise<string[]> {
  const failures: string[] = [];
  const ways = [
    ...(need.every((name) => officialBinaries.has(name)) ? [fetchOfficialKube] : []),
    buildKubeFromDebian,
  ];
  for (const way of ways) {
    try {
      // Told all and not only what is missing: the server programs must come from one place.
      await way({ need, progress: progress ?? (() => {}), signal });
      return failures;
    } catch (error) {
      signal?.throwIfAborted();
      failures.push(messageOf(error));
      progress?.(messageOf(error).split('\n', 1)[0]!);
    }
  }
  return failures;
}

function allOf<N extends KubeBinary>(need: readonly N[]): Readonly<Record<N, string>> | undefined {
  const found: KubeAssets = findKubeAssets(need);
  return need.every((name) => found[name]) ? (found as Record<N, string>) : undefined;
}

function explain(need: readonly KubeBinary[], failures: readonly string[]): string {
  return [
    `The Kubernetes programs ${need.join(', ')} are not on this machine and could not be made.`,
    'Set KUBEBUILDER_ASSETS to a folder that holds them (setup-envtest makes one), or put them on PATH. Tried:',
    ...failures.map((failure) => `- ${failure}`),
  ].join('\n');
}
