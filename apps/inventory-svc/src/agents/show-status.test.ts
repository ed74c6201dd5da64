import type { AgentView } from '@postern/contracts';
import { expect, test } from 'vitest';
import { countAgents } from './show-status.ts';

test('agents are counted by version and by each of their services', () => {
  const agent = (version: string, ...services: string[]): AgentView => ({
    agentId: version,
    hostname: 'h',
    version,
    services,
    upgrader: '',
    presence: 'online',
    lastSeen: '2030-01-01T00:00:00.000Z',
  });
  expect(countAgents([agent('2', 'Kube'), agent('1', 'Kube', 'Discovery'), agent('2', 'Proxy')])).toEqual({
    versions: { '1': 1, '2': 2 },
    upgraders: {},
    services: { Discovery: 1, Kube: 2, Proxy: 1 },
    total: 3,
  });
});
