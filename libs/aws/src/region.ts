import { readInstanceMetadata } from './instance-metadata.ts';

/** Variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The region of this process, as the SDKs look for it: variables, the profile of the shared configuration, the instance it runs on.
 * Undefined where nothing says.
 */
export async function regionOf(env: Environment, signal?: AbortSignal): Promise<string | undefined> {
  return (
    env['AWS_REGION'] ||
    env['AWS_DEFAULT_REGION'] ||
    (await profileRegion(env)) ||
    instanceRegion(env, signal)
  );
}

async function profileRegion(env: Environment): Promise<string | undefined> {
  const { loadSharedConfigFiles } = await import('@smithy/core/config');
  const { configFile, credentialsFile } = await loadSharedConfigFiles();
  const profile = env['AWS_PROFILE'] || 'default';
  return configFile[profile]?.['region'] ?? credentialsFile[profile]?.['region'];
}

async function instanceRegion(env: Environment, signal?: AbortSignal): Promise<string | undefined> {
  if (env['AWS_EC2_METADATA_DISABLED']?.toLowerCase() === 'true') return undefined;
  try {
    return (await readInstanceMetadata('/latest/meta-data/placement/region', { env, signal })).trim();
  } catch {
    signal?.throwIfAborted();
    // Most machines are no instances, and then nobody answers at that address.
    return undefined;
  }
}
