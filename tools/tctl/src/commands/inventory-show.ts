import { command, formatOf, jsonText, required, tableText, textOr } from '@postern/cli';
import { type Agent, orNone } from '../inventory/agent.ts';
import { agentLocks } from '../inventory/agent-locks.ts';
import { clockOffsetText } from '../inventory/clock-offset.ts';

export const inventoryShow = command({
  name: 'inventory show',
  summary: 'Show what is known of one agent, and what it serves',
  args: { agent: required('Id of the agent, as tctl inventory ls shows it') },
  flags: { format: textOr('text', '--format <format>', 'text or json') },
  async run(context, { args, flags }) {
    const format = formatOf(flags.format, ['text', 'json']);
    const api = await context.api();
    const { agent, clusters } = await api.inventory.agent(args.agent);
    const lock = (await agentLocks(api)).get(agent.agentId);
    if (format === 'json') return context.terminal.write(jsonText({ ...agent, ...lock, clusters }));
    const facts = [...factsOf(agent), ...(lock ? [['Locked', `by lock/${lock.lock}`] as const] : [])];
    const width = Math.max(...facts.map(([name]) => name.length)) + 1;
    for (const [name, value] of facts) context.terminal.print(`${`${name}:`.padEnd(width)} ${value}`);
    if (clusters.length === 0) return;
    context.terminal.write('\n');
    const rows = clusters.map(({ name, health, condition: { state, message } }) => [
      name,
      health,
      state,
      message,
    ]);
    context.terminal.print(
      tableText({ columns: ['Kube Cluster', 'Reachable', 'Condition', 'Message'], rows }),
    );
  },
});

function factsOf(agent: Agent): (readonly [string, string])[] {
  const { agentId, hostname, services, version, upgrader, presence, startedAt, lastSeen } = agent;
  const { clockOffsetMs, lastError, discovery } = agent;
  return [
    ['Server ID', agentId],
    ['Hostname', hostname],
    ['Services', services.join(',')],
    ['Version', version],
    ['Upgrader', orNone(upgrader)],
    ['Presence', presence],
    ['Running since', startedAt],
    ['Last seen', lastSeen],
    ['Clock', clockOffsetMs === undefined ? 'unknown' : clockOffsetText(clockOffsetMs)],
    ['Last error', lastError ? `${lastError.at} ${lastError.message}` : 'none'],
    ...(discovery ? discoveryFacts(discovery) : []),
  ];
}

const shownSources = 20;

function discoveryFacts({
  group,
  sources,
  total,
}: NonNullable<Agent['discovery']>): (readonly [string, string])[] {
  const shown = sources.slice(0, shownSources).join(', ');
  const more = total > shownSources ? ` and ${total - shownSources} more` : '';
  return [
    ['Group', group],
    ['Looks at', total === 0 ? 'nothing' : `${shown}${more}`],
  ];
}
