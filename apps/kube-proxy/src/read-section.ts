import { readFile } from 'node:fs/promises';
import { type KubernetesSection, readTeleportYaml } from '@postern/config';
import { failure } from '@postern/core';
import { everyCluster } from './config.ts';

export const UnreadableConfig = failure(
  'not_found',
  'kube.unreadable_config',
  (path: string) => `${path} cannot be read`,
);

export const KubeIsOff = failure(
  'failed_precondition',
  'kube.is_off',
  (path: string) => `kubernetes_service is not enabled in ${path}: set enabled to "yes"`,
);

/** What the kube role serves: as the configuration file says, or without one every registered cluster. */
export async function readSection(configFile: string | undefined): Promise<KubernetesSection> {
  if (configFile === undefined) return everyCluster;
  const text = await readFile(configFile, 'utf8').catch((error: unknown) => {
    throw UnreadableConfig.from(error, configFile);
  });
  const { kubernetes } = readTeleportYaml(text);
  if (!kubernetes.enabled) throw KubeIsOff(configFile);
  return kubernetes;
}
