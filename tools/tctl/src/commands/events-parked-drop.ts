import { command, required, requiredText } from '@postern/cli';
import { findParked } from '../events/parked.ts';

export const eventsParkedDrop = command({
  name: 'events parked drop',
  aliases: ['rm'],
  summary: 'Give a parked message up for good; who did so and why is recorded',
  args: { id: required('id of a parked message') },
  flags: { reason: requiredText('--reason <text>', 'Why it may be given up') },
  async run(context, { args: { id }, flags: { reason } }) {
    const { events } = await context.api();
    const { service, message } = await findParked(events, id);
    await events.drop(service, id, reason);
    context.terminal.print(`${id} of ${message.consumer} was dropped`);
  },
});
