import { command, formatOf, text, textOr } from '@postern/cli';
import { eventLine } from '../events/event-line.ts';
import { followEvents } from '../events/follow.ts';
import { sinceOf } from '../events/since.ts';

export const eventsTail = command({
  name: 'events tail',
  summary: 'Show what happens, as it happens, until Ctrl-C',
  args: {},
  flags: {
    type: text('--type <type>', 'Only events of this type, such as ResourceUpserted'),
    subject: text(
      '--subject <subject>',
      'Only events of this aggregate (role/dev) or subject (evt.resource.*.role.>)',
    ),
    since: text('--since <time>', 'Begin that long ago (1h) or at that time, instead of now'),
    format: textOr('text', '--format <format>', 'text or json, one event a line'),
  },
  async run(context, { flags: { type, subject, since, format: wanted } }) {
    const format = formatOf(wanted, ['text', 'json']);
    const { terminal, clock } = context;
    const { events } = await context.api();
    await followEvents({
      events,
      query: {
        ...(type === undefined ? {} : { type }),
        ...(subject === undefined ? {} : { subject }),
        ...(since === undefined ? {} : { since: sinceOf(since, clock()) }),
      },
      signal: context.stopSignal(),
      emit: (event) =>
        format === 'json' ? terminal.write(`${JSON.stringify(event)}\n`) : terminal.print(eventLine(event)),
      note: (line) => terminal.note(line),
    });
  },
});
