import { command, formatOf, jsonText, list, on, tableText, text, textOr } from '@postern/cli';
import { type Agent, orNone } from '../inventory/agent.ts';
import { agentLocks } from '../inventory/agent-locks.ts';
import { compareVersions } from '../inventory/compare-versions.ts';

export const inventoryLs = command({
  name: 'inventory ls',
  aliases: ['list'],
  summary: 'List the joined agents',
  args: {},
  flags: {
    olderThan: text('--older-than <version>', 'Only agents older than this version'),
    newerThan: text('--newer-than <version>', 'Only agents newer than this version'),
    exactVersion: text('--exact-version <version>', 'Only agents of this version'),
    services: list('--services <names>', 'Only agents with all of these services'),
    upgrader: text('--upgrader <name>', 'Only agents with this upgrader: kube, unit, binary or none'),
    updateGroup: text('--update-group <name>', 'Only agents of this update group: none is in any'),
    connected: on('--connected', 'Only agents that are online'),
    format: textOr('text', '--format <format>', 'text or json'),
  },
  async run(context, { flags }) {
    const format = formatOf(flags.format, ['text', 'json']);
    const api = await context.api();
    const all = await api.inventory.agents({ connected: flags.connected });
    const locks = await agentLocks(api);
    const agents = all
      .filter((agent) => isWanted(agent, flags))
      .map((agent) => ({ ...agent, ...locks.get(agent.agentId) }))
      .toSorted((a, b) => a.agentId.localeCompare(b.agentId));
    if (format === 'json') context.terminal.write(jsonText(agents));
    else context.terminal.print(tableText({ columns, rows: agents.map(rowOf) }));
    for (const { agentId, lock, lockMessage } of agents)
      if (lock)
        context.terminal.note(`${agentId} is locked by lock/${lock}${lockMessage ? `: ${lockMessage}` : ''}`);
  },
});

const columns = [
  'Server ID',
  'Hostname',
  'Services',
  'Agent Version',
  'Upgrader',
  'Upgrader Version',
  'Update Group',
];

interface Filter {
  readonly olderThan: string | undefined;
  readonly newerThan: string | undefined;
  readonly exactVersion: string | undefined;
  readonly services: readonly string[] | undefined;
  readonly upgrader: string | undefined;
  readonly updateGroup: string | undefined;
}

function isWanted(agent: Agent, filter: Filter): boolean {
  const services = new Set(agent.services.map((service) => service.toLowerCase()));
  return (
    (filter.olderThan === undefined || compareVersions(agent.version, filter.olderThan) < 0) &&
    (filter.newerThan === undefined || compareVersions(agent.version, filter.newerThan) > 0) &&
    (filter.exactVersion === undefined || compareVersions(agent.version, filter.exactVersion) === 0) &&
    (filter.services ?? []).every((service) => services.has(service.toLowerCase())) &&
    (filter.upgrader === undefined || orNone(agent.upgrader) === filter.upgrader) &&
    // Postern updates no agent by itself.
    (filter.updateGroup === undefined || filter.updateGroup === 'none')
  );
}

function rowOf(agent: Agent): string[] {
  const { agentId, hostname, services, version, upgrader } = agent;
  return [agentId, hostname, services.join(','), version, orNone(upgrader), 'none', 'none'];
}
