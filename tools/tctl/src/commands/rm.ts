import { command, required } from '@postern/cli';
import { resourceWords } from '../resources/kind-words.ts';
import { orNotFound } from '../resources/not-found.ts';
import { parseNamed } from '../resources/reference.ts';

export const rm = command({
  name: 'rm',
  aliases: ['del'],
  summary: 'Remove a resource',
  args: { ref: required('type/name') },
  flags: {},
  async run(context, { args }) {
    const { kind, name } = await parseNamed(args.ref);
    const api = await context.api();
    await orNotFound({ kind, name }, api.resources.delete(kind, name));
    context.terminal.print(`${resourceWords(kind, name)} has been deleted`);
  },
});
