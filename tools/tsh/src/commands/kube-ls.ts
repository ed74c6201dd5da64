import { type CliContext, command, formatOf, jsonText, labelsText, list, on } from '@postern/cli';
import { optional, tableText, text, textOr, yamlText } from '@postern/cli';
import { type Cluster, matching } from '../clusters/find-clusters.ts';
import { teleportClusterOf } from '../clusters/teleport-cluster.ts';
import { kubeconfigPath, readKubeconfig } from '../kubeconfig/kubeconfig-file.ts';
import { selectedMarks } from '../kubeconfig/own-entries.ts';

export const kubeLs = command({
  name: 'kube ls',
  summary: 'List the Kubernetes clusters you can reach',
  args: { labels: optional('Only clusters with these labels: key=value,key2=value2') },
  flags: {
    cluster: text('-c, --cluster <name>', 'The cluster they are reached through'),
    search: list('--search <words>', 'Only clusters whose name or labels hold all of these words'),
    format: textOr('text', '-f, --format <format>', 'text, json or yaml'),
    verbose: on('-v, --verbose', 'Show all labels, whole, and how the clusters are'),
    quiet: on('-q, --quiet', 'Print rows only'),
  },
  async run(context, { args, flags }) {
    const format = formatOf(flags.format, ['text', 'json', 'yaml']);
    const api = await context.api();
    const teleportCluster = await teleportClusterOf(context, flags.cluster);
    const clusters = matching(await api.inventory.clusters(), { labels: args.labels, search: flags.search });
    const selected = selectedCluster(context, teleportCluster, api.proxy);
    await print(context, { format, clusters, selected, verbose: flags.verbose, quiet: flags.quiet });
  },
});

/** A kubeconfig that cannot be read selects nothing: it is no reason to hide the list. */
function selectedCluster(
  { env, cwd }: CliContext,
  teleportCluster: string,
  proxy: string,
): string | undefined {
  try {
    const marks = selectedMarks(readKubeconfig(kubeconfigPath(env, cwd)));
    const isHere = marks?.teleportCluster === teleportCluster && marks.profile === proxy;
    return isHere ? marks.kubeCluster : undefined;
  } catch {
    return undefined;
  }
}

interface Output {
  readonly format: 'text' | 'json' | 'yaml';
  readonly clusters: readonly Cluster[];
  readonly selected: string | undefined;
  readonly verbose: boolean;
  readonly quiet: boolean;
}

async function print({ terminal }: CliContext, output: Output): Promise<void> {
  const { format, clusters, selected, verbose, quiet } = output;
  const items = clusters.map((cluster) => ({
    kube_cluster_name: cluster.name,
    labels: cluster.labels,
    selected: cluster.name === selected,
    ...(verbose ? { health: cluster.condition.state, health_message: cluster.condition.message } : {}),
  }));
  if (format === 'json') return terminal.write(jsonText(items));
  if (format === 'yaml') return terminal.write(await yamlText([items]));
  const rows = clusters.map((cluster) => [
    cluster.name,
    labelsText(cluster.labels, verbose),
    cluster.name === selected ? '*' : '',
    ...(verbose ? [healthText(cluster)] : []),
  ]);
  const columns = ['Kube Cluster Name', 'Labels', 'Selected', ...(verbose ? ['Health'] : [])];
  const text = tableText(
    { columns, rows, ...(verbose ? {} : { elastic: 'Labels' }) },
    { width: terminal.width },
  );
  terminal.print(quiet ? quietText(rows) : text);
}

function healthText({ condition: { state, message } }: Cluster): string {
  return message === '' ? state : `${state}: ${message}`;
}

/** Without titles and without the mark of the selected one. */
function quietText(rows: readonly (readonly string[])[]): string {
  const table = tableText({
    columns: ['', ''],
    rows: rows.map(([name = '', labels = '']) => [name, labels]),
  });
  return table.split('\n').slice(2).join('\n');
}
