import { command, formatOf, headlessText, jsonText, textOr } from '@postern/cli';
import { rotationRows } from '../auth/rotation-text.ts';

export const status = command({
  name: 'status',
  summary: 'Show the name, version and CA pins of the cluster, and how far a rotation is',
  args: {},
  flags: { format: textOr('text', '--format <format>', 'text or json') },
  async run(context, { flags }) {
    const format = formatOf(flags.format, ['text', 'json']);
    const found = await (await context.api()).status();
    if (format === 'json') return context.terminal.write(jsonText(found));
    const { clusterName, version, caPins, rotation } = found;
    const pins = caPins.map((pin) => ['CA pin', pin]);
    const rotating = rotation ? rotationRows(rotation) : [];
    context.terminal.print(
      headlessText([['Cluster', clusterName], ['Version', version], ...pins, ...rotating]),
    );
  },
});
