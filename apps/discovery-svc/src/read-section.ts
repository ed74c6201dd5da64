import { readFile } from 'node:fs/promises';
import { type DiscoverySection, readTeleportYaml } from '@postern/config';
import { failure } from '@postern/core';
import type { DiscoveryConfig } from './config.ts';

/** A configuration file that switches discovery off, given to a process that does nothing else. */
export const DiscoveryIsOff = failure(
  'failed_precondition',
  'discovery.is_off',
  (path: string) => `discovery_service is not enabled in ${path}: set enabled to "yes"`,
);

/** A configuration file that is not there. */
export const UnreadableConfig = failure(
  'not_found',
  'discovery.unreadable_config',
  (path: string) => `${path} cannot be read`,
);

/** What to look for: from the configuration file where one is named, otherwise whatever the group's resources say. */
export async function readSection({
  configFile,
  group,
}: Pick<DiscoveryConfig, 'configFile' | 'group'>): Promise<DiscoverySection> {
  if (configFile === undefined) {
    return { enabled: true, discoveryGroup: group, pollIntervalMs: 300_000, aws: [], kubernetes: [] };
  }
  const text = await readFile(configFile, 'utf8').catch((error: unknown) => {
    throw UnreadableConfig.from(error, configFile);
  });
  const { discovery } = readTeleportYaml(text);
  if (!discovery.enabled) throw DiscoveryIsOff(configFile);
  return discovery;
}
