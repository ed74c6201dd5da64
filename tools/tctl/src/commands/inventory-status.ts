import { type CliContext, command, on, tableText, textOr } from '@postern/cli';
import type { InventoryStatus } from '@postern/client';
import { failure } from '@postern/core';
import { type Agent, orNone } from '../inventory/agent.ts';
import { agentLocks } from '../inventory/agent-locks.ts';
import { nestedText } from '../inventory/nested-text.ts';

const UnknownStatusFormat = failure(
  'invalid_argument',
  'tctl.unknown_status_format',
  (format: string) => `unknown format: ${JSON.stringify(format)}`,
);

export const inventoryStatus = command({
  name: 'inventory status',
  summary: 'Count the joined agents by version, upgrader and service',
  args: {},
  flags: {
    connected: on('--connected', 'List the agents that are online'),
    format: textOr('text', '--format <format>', 'text or json'),
  },
  async run(context, { flags }) {
    if (flags.format !== 'text' && flags.format !== 'json') throw UnknownStatusFormat(flags.format);
    const api = await context.api();
    const connected = flags.connected ? await api.inventory.agents({ connected: true }) : undefined;
    if (flags.format === 'text' && connected) return context.terminal.print(connectedTable(connected));
    const { size: locked } = await agentLocks(api);
    const status = await api.inventory.status();
    if (flags.format === 'json') return printJson(context, { ...status, locked }, connected);
    context.terminal.print(countsText({ ...status, locked }));
  },
});

interface Counts extends InventoryStatus {
  /** Agents under a lock, whether or not they are heard of. */
  readonly locked: number;
}

function printJson(context: CliContext, status: Counts, connected: readonly Agent[] | undefined): void {
  const value = {
    Connected: connected ?? [],
    VersionCounts: status.versions,
    UpgraderCounts: status.upgraders,
    ServiceCounts: status.services,
    InstanceCount: status.total,
    LockedCount: status.locked,
  };
  context.terminal.write(`${JSON.stringify(value)}\n`);
}

function connectedTable(agents: readonly Agent[]): string {
  const rows = agents.map((agent) => [
    agent.agentId,
    agent.services.join(','),
    agent.version,
    orNone(agent.upgrader),
  ]);
  return tableText({ columns: ['Server ID', 'Services', 'Version', 'Upgrader'], rows });
}

function countsText({ versions, upgraders, services, total, locked }: Counts): string {
  return nestedText({
    Versions: versions,
    Upgraders: upgraders,
    Services: services,
    'Total Instances': total,
    ...(locked > 0 ? { 'Locked Instances': locked } : {}),
  });
}
