import {
  type CliContext,
  command,
  formatOf,
  hasLabels,
  isFoundBy,
  jsonText,
  labelsText,
  list,
  on,
} from '@postern/cli';
import { optional, parseLabels, tableText, textOr, yamlText } from '@postern/cli';
import type { Api } from '@postern/client';

type Served = Awaited<ReturnType<Api['inventory']['clusters']>>[number];

export const kubeLs = command({
  name: 'kube ls',
  summary: 'List the Kubernetes clusters that agents serve now',
  args: { labels: optional('Only clusters with these labels: key=value,key2=value2') },
  flags: {
    format: textOr('text', '--format <format>', 'text, json or yaml'),
    search: list('--search <words>', 'Only clusters whose name or labels hold all of these words'),
    verbose: on('-v, --verbose', 'Show all labels, whole'),
  },
  async run(context, { args, flags }) {
    const format = formatOf(flags.format, ['text', 'json', 'yaml']);
    const wanted = args.labels === undefined ? {} : parseLabels(args.labels);
    const all = await (await context.api()).inventory.clusters();
    const clusters = all
      .filter(({ name, labels }) => hasLabels(labels, wanted) && isFoundBy(flags.search ?? [], name, labels))
      .toSorted((a, b) => a.name.localeCompare(b.name));
    await print(context, { format, clusters, verbose: flags.verbose });
  },
});

interface Output {
  readonly format: 'text' | 'json' | 'yaml';
  readonly clusters: readonly Served[];
  readonly verbose: boolean;
}

async function print({ terminal }: CliContext, { format, clusters, verbose }: Output): Promise<void> {
  if (format === 'json') return terminal.write(jsonText(clusters));
  if (format === 'yaml') return terminal.write(await yamlText(clusters));
  const rows = clusters.map(({ name, labels, agents }) => [
    name,
    labelsText(labels, verbose),
    [...new Set(agents.map((agent) => agent.version))].toSorted().join(','),
  ]);
  const table = {
    columns: ['Cluster', 'Labels', 'Version'],
    rows,
    ...(verbose ? {} : { elastic: 'Labels' }),
  };
  terminal.print(tableText(table, { width: terminal.width }));
}
