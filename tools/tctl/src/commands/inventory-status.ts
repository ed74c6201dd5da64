import { type CliContext, command, on, tableText, textOr } from '@postern/cli';
import type { InventoryStatus } from '@postern/client';
import { failure } from '@postern/core';
import { type Agent, orNone } from '../inventory/agent.ts';
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
    if (flags.format === 'json') return printJson(context, await api.inventory.status(), connected);
    context.terminal.print(connected ? connectedTable(connected) : countsText(await api.inventory.status()));
  },
});

function printJson(
  context: CliContext,
  status: InventoryStatus,
  connected: readonly Agent[] | undefined,
): void {
  const value = {
    Connected: connected ?? [],
    VersionCounts: status.versions,
    UpgraderCounts: status.upgraders,
    ServiceCounts: status.services,
    InstanceCount: status.total,
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

function countsText({ versions, upgraders, services, total }: InventoryStatus): string {
  return nestedText({
    Versions: versions,
    Upgraders: upgraders,
    Services: services,
    'Total Instances': total,
  });
}
