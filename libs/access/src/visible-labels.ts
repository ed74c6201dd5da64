import { isReservedLabel, originLabel, type ServedCluster } from '@postern/contracts';
import type { Labels } from './label-matcher.ts';

/** What an agent says of a cluster, as far as it matters for access. */
export type ClusterReport = Pick<ServedCluster, 'labels' | 'origin'>;

/** Whether an agent's report is about this cluster, or about another one of the agent's own that has the same name. */
export function isAbout({ origin }: ClusterReport, isRegistered: boolean): boolean {
  return origin === (isRegistered ? 'dynamic' : 'config-file');
}

/**
 * The labels by which access to a cluster is decided. A registered cluster has its resource's labels, and beside them those
 * that agents add; agents cannot replace a label, nor take over a registered name with a cluster of their own. A cluster
 * that is not registered exists while an agent serves it from its own configuration; else there are no labels.
 */
export function visibleLabels(
  registered: Labels | undefined,
  reports: readonly ClusterReport[],
): Labels | undefined {
  const believed = reports.filter((report) => isAbout(report, registered !== undefined));
  if (registered) return { ...agreed(believed), ...registered };
  return believed.length === 0 ? undefined : { ...agreed(believed), [originLabel]: 'config-file' };
}

/** Labels on which all agents agree: one agent alone must not open a cluster that others serve. */
function agreed([first, ...others]: readonly ClusterReport[]): Record<string, string> {
  const labels = Object.entries(first?.labels ?? {}).filter(
    ([key, value]) => !isReservedLabel(key) && others.every((other) => other.labels[key] === value),
  );
  return Object.fromEntries(labels);
}
