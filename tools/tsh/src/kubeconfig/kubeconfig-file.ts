import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { type Environment, inspectDestination, withLock, writePrivateFile } from '@postern/client';
import { AppError } from '@postern/core';
import { editKubeconfig, type KubeconfigChange } from './edit-text.ts';
import { InvalidKubeconfigFile, type Kubeconfig, parseKubeconfigText } from './kubeconfig.ts';

const lockWaitMs = 10_000;

/** The kubeconfig that is written: the first of `$KUBECONFIG`, or `~/.kube/config`. */
export function kubeconfigPath(env: Environment, cwd: string): string {
  const first = (env['KUBECONFIG'] ?? '').split(delimiter).find((path) => path !== '');
  return first ? resolve(cwd, first) : join(env['HOME'] || homedir(), '.kube', 'config');
}

/** What the kubeconfig says now; empty where there is none. */
export function readKubeconfig(path: string): Kubeconfig {
  return naming(path, () => parseKubeconfigText(readText(path)));
}

/**
 * Changes the kubeconfig while holding the lock that kubectl takes too. `decide` sees what is there under the lock. The
 * file is replaced as a whole, for its owner only, and not touched when nothing changes.
 */
export async function changeKubeconfig(
  path: string,
  decide: (now: Kubeconfig) => KubeconfigChange,
): Promise<void> {
  await withLock(`${path}.lock`, lockWaitMs, async () => {
    inspectDestination(path);
    const before = readText(path);
    const after = naming(path, () => editKubeconfig(before, decide(parseKubeconfigText(before))));
    if (after !== before) writePrivateFile(path, after, { overwrite: true });
  });
}

function readText(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw InvalidKubeconfigFile.from(error, `${path} cannot be read`);
  }
  const text = bytes.toString('utf8');
  // Text that does not survive a round trip would come out changed where nothing was to change.
  if (!Buffer.from(text).equals(bytes)) throw InvalidKubeconfigFile(`${path} is not UTF-8`);
  return text;
}

function naming<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!InvalidKubeconfigFile.is(error)) throw error;
    throw new AppError(error.kind, error.code, `${path}: ${error.message}`, { cause: error });
  }
}
