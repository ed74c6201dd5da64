import { readdirSync } from 'node:fs';
import { cacheDir } from './cache-dir.ts';
import { findIn, findOnPath } from './find-on-path.ts';
import { isServerBinary, type KubeAssets, type KubeBinary } from './kube-binaries.ts';

/**
 * The cache's folder of what is built from Debian's source. A change to the build that its users must get raises the last
 * number: folders of earlier builds are then ignored. The first one's API server crashed on custom resources.
 */
export const debianBuild = 'v1.20.2-debian-2';

type Find = (binary: KubeBinary) => string | undefined;

/**
 * What is on this machine already: `$KUBEBUILDER_ASSETS`, PATH, our cache, in this order. The server programs come all from
 * one place or not at all, because a kubelet newer than its API server, or a mix of builds, fails in odd ways.
 */
export function findKubeAssets(need: readonly KubeBinary[]): KubeAssets {
  const places: Find[] = [
    (name) => findIn(process.env['KUBEBUILDER_ASSETS'], name),
    findOnPath,
    ...cachedPlaces(),
  ];
  const servers = need.filter(isServerBinary);
  const home = places.find((find) => servers.every((name) => find(name)));
  const found: Partial<Record<KubeBinary, string>> = {};
  for (const name of need) {
    const path = isServerBinary(name)
      ? home?.(name)
      : firstOf(name === 'etcd' && home ? [home, ...places] : places, name);
    if (path) found[name] = path;
  }
  return found;
}

function cachedPlaces(): Find[] {
  return listVersions().map((version) => (name: KubeBinary) => findIn(cacheDir('kube', version), name));
}

function listVersions(): string[] {
  try {
    const versions = readdirSync(cacheDir('kube')).filter(
      (name) => name === debianBuild || (name.startsWith('v') && !name.includes('-debian')),
    );
    return versions.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  } catch {
    return [];
  }
}

function firstOf(places: readonly Find[], name: KubeBinary): string | undefined {
  for (const find of places) {
    const path = find(name);
    if (path) return path;
  }
  return undefined;
}
