import { command, formatOf, jsonText, tableText, textOr, yamlText } from '@postern/cli';
import { resourceTable } from '../resources/resource-table.ts';

export const usersLs = command({
  name: 'users ls',
  summary: 'List users',
  args: {},
  flags: { format: textOr('text', '--format <format>', 'text, json or yaml') },
  async run(context, { flags }) {
    const format = formatOf(flags.format, ['text', 'json', 'yaml']);
    const users = await (await context.api()).resources.list('user');
    const { terminal } = context;
    if (format === 'json') terminal.write(jsonText(users));
    else if (format === 'yaml') terminal.write(await yamlText(users));
    else if (users.length === 0) terminal.print('No users found');
    else terminal.print(tableText(resourceTable('user', users, false)));
  },
});
