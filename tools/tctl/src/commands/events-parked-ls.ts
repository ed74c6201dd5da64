import { command, formatOf, jsonText, tableText, text, textOr, yamlText } from '@postern/cli';
import { listParked, type ServiceParked } from '../events/parked.ts';

export const eventsParkedLs = command({
  name: 'events parked ls',
  aliases: ['list'],
  summary: 'List the messages that services could not handle and that wait for you',
  args: {},
  flags: {
    consumer: text('--consumer <name>', 'Only those of this consumer'),
    format: textOr('text', '--format <format>', 'text, json or yaml'),
  },
  async run(context, { flags }) {
    const format = formatOf(flags.format, ['text', 'json', 'yaml']);
    const { terminal } = context;
    const { lists, failed } = await listParked((await context.api()).events, flags.consumer);
    const all = lists.flatMap(({ service, parked }) => parked.map((message) => ({ service, ...message })));
    if (format === 'json') terminal.write(jsonText(all));
    else if (format === 'yaml') terminal.write(await yamlText(all));
    else terminal.print(all.length === 0 ? 'No messages are parked.' : parkedTable(lists, terminal.width));
    for (const { service } of lists.filter(({ hasMore }) => hasMore))
      terminal.note(`${service} has more than are listed`);
    if (failed.length > 0) throw failed[0];
  },
});

function parkedTable(lists: readonly ServiceParked[], width: number | undefined): string {
  const columns = ['ID', 'Service', 'Consumer', 'Parked at', 'Tries', 'About', 'Error'];
  const rows = lists.flatMap(({ service, parked }) =>
    parked.map(({ id, consumer, at, tries, aggregate, subject, code, error, isRetrying }) => [
      id,
      service,
      consumer,
      at,
      isRetrying ? `${tries}+` : String(tries),
      aggregate === '' ? subject : aggregate,
      `${code}: ${error}`,
    ]),
  );
  return tableText({ columns, rows, elastic: 'Error' }, { width });
}
