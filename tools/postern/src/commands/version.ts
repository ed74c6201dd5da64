import { command } from '@postern/cli';
import { version as number } from '@postern/core';

export const version = command({
  name: 'version',
  summary: 'Print the version of this program',
  args: {},
  flags: {},
  run({ terminal }) {
    terminal.print(`Postern v${number} node ${process.version}`);
  },
});
