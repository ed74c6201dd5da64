import type { Progress } from '../progress.ts';
import { findOnPath } from './find-on-path.ts';
import { ensureKubeAssets } from './kube-assets.ts';

/** The path of a kubectl: the user's own if there is one, else one from our cache, which is filled if need be. */
export async function locateKubectl(
  options: { progress?: Progress | undefined; signal?: AbortSignal | undefined } = {},
): Promise<string> {
  return findOnPath('kubectl') ?? (await ensureKubeAssets({ need: ['kubectl'], ...options })).kubectl;
}
