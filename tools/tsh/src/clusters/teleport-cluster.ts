import type { CliContext } from '@postern/cli';
import { failure } from '@postern/core';

const UnknownTeleportCluster = failure(
  'not_found',
  'tsh.unknown_teleport_cluster',
  (asked: string, known: string) =>
    `cluster ${JSON.stringify(asked)} not found: you are signed in to ${known}`,
);

/** The name of the cluster that one is signed in to; a name asked for must be it. */
export async function teleportClusterOf(context: CliContext, asked?: string): Promise<string> {
  const { clusterName } = await context.identity();
  const known = clusterName ?? (await (await context.api()).me()).clusterName;
  if (asked !== undefined && asked !== known) throw UnknownTeleportCluster(asked, known);
  return known;
}
