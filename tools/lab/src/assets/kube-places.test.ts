import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { debianBuild, findKubeAssets } from './kube-places.ts';

/** A cache of this test's own with a kubelet in each of the folders, on a machine that has none elsewhere. */
function cacheWith(...versions: readonly string[]): string {
  const root = mkdtempSync(join(tmpdir(), 'postern-cache-'));
  vi.stubEnv('XDG_CACHE_HOME', root);
  vi.stubEnv('KUBEBUILDER_ASSETS', '');
  vi.stubEnv('PATH', '');
  onTestFinished(() => {
    vi.unstubAllEnvs();
    rmSync(root, { recursive: true, force: true });
  });
  const kube = join(root, 'postern', 'kube');
  for (const version of versions) {
    mkdirSync(join(kube, version), { recursive: true });
    writeFileSync(join(kube, version, 'kubelet'), '', { mode: 0o755 });
  }
  return kube;
}

test.each(['v1.20.2-debian', 'v1.20.2-debian-1', '.build-1'])('ignores what %s holds', (folder) => {
  cacheWith(folder);
  expect(findKubeAssets(['kubelet'])).toEqual({});
});

test('finds the present build beside an earlier one', () => {
  const kube = cacheWith('v1.20.2-debian', debianBuild);
  expect(findKubeAssets(['kubelet'])).toEqual({ kubelet: join(kube, debianBuild, 'kubelet') });
});
