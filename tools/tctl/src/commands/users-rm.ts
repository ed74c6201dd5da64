import { command, required } from '@postern/cli';

export const usersRm = command({
  name: 'users rm',
  aliases: ['del'],
  summary: 'Remove users',
  args: { accounts: required('Names, separated by commas') },
  flags: {},
  async run(context, { args }) {
    const api = await context.api();
    const names = args.accounts.split(',').map((name) => name.trim());
    for (const name of names.filter((each) => each !== '')) {
      await api.resources.delete('user', name);
      context.terminal.print(`User ${JSON.stringify(name)} has been deleted`);
    }
  },
});
