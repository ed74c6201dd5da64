import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { minorOf } from './kube-version.ts';

/** Refuses a folder that another version wrote: etcd's files and the stored objects go one version up at a time at best, and never down. */
export function refuseOtherVersion(file: string, version: string): void {
  const written = existsSync(file) ? readFileSync(file, 'utf8').trim() : version;
  if (minorOf(written) !== minorOf(version)) {
    throw new Error(
      `${dirname(file)} was written by Kubernetes ${written} and the programs here are ${version}: ` +
        `set KUBEBUILDER_ASSETS to programs of ${written}, or use another directory`,
    );
  }
  writeFileSync(file, `${version}\n`);
}
