import { command, formatOf, jsonText, required, textOr } from '@postern/cli';
import { clockOffsetText } from '../inventory/clock-offset.ts';

/** Certificates are judged by the clock, and the proofs of joining allow for a minute. */
const notableOffsetMs = 10_000;

export const inventoryPing = command({
  name: 'inventory ping',
  summary: 'Ask an agent whether it is there',
  args: { agent: required('Id of the agent, as tctl inventory ls shows it') },
  flags: { format: textOr('text', '--format <format>', 'text or json') },
  async run(context, { args, flags }) {
    const format = formatOf(flags.format, ['text', 'json']);
    const answered = await (await context.api()).inventory.ping(args.agent);
    const { agentId, roundTripMs, clockOffsetMs } = answered;
    if (format === 'json') return context.terminal.write(jsonText(answered));
    context.terminal.print(
      `Successfully pinged server ${JSON.stringify(agentId)} (~${Math.round(roundTripMs)}ms).`,
    );
    if (Math.abs(clockOffsetMs) > notableOffsetMs)
      context.terminal.note(
        `its clock is ${clockOffsetText(clockOffsetMs)}: certificates may be refused for that`,
      );
  },
});
