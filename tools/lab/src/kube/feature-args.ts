import { minorOf } from './kube-version.ts';

/**
 * Flags that turn on what every cluster has today. Ephemeral containers, which `kubectl debug` adds, are off until 1.23, and
 * the name of the gate is unknown to later versions.
 */
export function featureArgs(version: string): string[] {
  return minorOf(version) < 23 ? ['--feature-gates=EphemeralContainers=true'] : [];
}
