import { command, required, text } from '@postern/cli';

export const inventoryRevoke = command({
  name: 'inventory revoke',
  summary: 'Revoke an agent: it is not renewed, and the bus refuses it at once',
  args: { agent: required('Id of the agent, as tctl inventory ls shows it') },
  flags: { message: text('--message <text>', 'Why, for the record') },
  async run(context, { args, flags }) {
    const { agentId, bus, credentialsEnd } = await (
      await context.api()
    ).revokeAgent(args.agent, flags.message);
    context.terminal.print(`Agent ${JSON.stringify(agentId)} has been revoked`);
    context.terminal.print(outcomes[bus](credentialsEnd));
    context.terminal.print('It can join again for as long as its join token exists: see tctl tokens ls');
  },
});

const outcomes = {
  told: () => 'The bus has closed its connections and refuses its credentials',
  pending: (end: string) =>
    `THE BUS CANNOT BE REACHED NOW. It will be told as soon as it can; until then the agent keeps its bus credentials, at the latest until ${end}`,
  'cannot-be-told': (end: string) =>
    `THE BUS CANNOT BE TOLD: this control plane does not hold the key of the bus operator (POSTERN_BUS_OPERATOR_FILE), or the agent joined before its bus users were recorded. Its bus credentials end at ${end}`,
} as const;
