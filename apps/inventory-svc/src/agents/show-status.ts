import { type AgentView, InventoryStatus } from '@postern/contracts';
import { route } from '@postern/http';
import { may, type ServiceDeps } from '../service-deps.ts';
import { findAgents } from './find-agents.ts';

export const showStatus = route<ServiceDeps>()({
  method: 'GET',
  url: '/v1/inventory/status',
  allow: may('list', 'instance'),
  reply: InventoryStatus,
  async handle({ db, clock, retentionMs }) {
    const since = new Date(clock().getTime() - retentionMs);
    return countAgents(await findAgents(db, { since, onlineOnly: false }));
  },
});

/** Counts agents by what they are; an agent with two services counts for both. */
export function countAgents(agents: readonly AgentView[]): InventoryStatus {
  return {
    versions: countBy(agents.map(({ version }) => version)),
    upgraders: countBy(agents.map(({ upgrader }) => upgrader).filter((upgrader) => upgrader !== '')),
    services: countBy(agents.flatMap(({ services }) => services)),
    total: agents.length,
  };
}

function countBy(names: readonly string[]): Record<string, number> {
  const groups = Map.groupBy(names, (name) => name);
  return Object.fromEntries([...groups.keys()].toSorted().map((name) => [name, groups.get(name)!.length]));
}
