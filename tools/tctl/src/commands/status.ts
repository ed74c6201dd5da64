import { command, headlessText } from '@postern/cli';

export const status = command({
  name: 'status',
  summary: 'Show the name, version and CA pin of the cluster',
  args: {},
  flags: {},
  async run(context) {
    const { clusterName, version, caPins } = await (await context.api()).status();
    const pins = caPins.map((pin) => ['CA pin', pin]);
    context.terminal.print(headlessText([['Cluster', clusterName], ['Version', version], ...pins]));
  },
});
