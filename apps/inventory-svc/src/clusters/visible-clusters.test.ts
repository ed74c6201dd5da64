import type { ServedCluster } from '@postern/contracts';
import { describe, expect, test } from 'vitest';
import type { OnlineReport } from './served-reports.ts';
import { kubeServers } from './list-kube-servers.ts';
import { servedClusters } from './visible-clusters.ts';

function serves(agentId: string, ...clusters: (Partial<ServedCluster> & { name: string })[]): OnlineReport {
  const complete = clusters.map((cluster) => ({
    labels: {},
    origin: 'dynamic' as const,
    health: 'online' as const,
    kubeVersion: 'v1',
    ...cluster,
  }));
  return { agentId, hostname: `host-${agentId}`, version: '0.1.0', expires: new Date(0), clusters: complete };
}

const registered = (labels: Record<string, Record<string, string>>) => (name: string) =>
  Object.hasOwn(labels, name) ? labels[name] : undefined;

const prod = registered({ prod: { env: 'prod', 'teleport.dev/origin': 'dynamic' } });

describe('a registered cluster', () => {
  test('has its resource’s labels, and those that agents add', () => {
    const [cluster] = servedClusters(
      [serves('a', { name: 'prod', labels: { env: 'dev', zone: 'z1' } })],
      prod,
    );
    expect(cluster).toMatchObject({
      name: 'prod',
      labels: { env: 'prod', zone: 'z1', 'teleport.dev/origin': 'dynamic' },
    });
  });

  test('takes no reserved label from an agent', () => {
    const labels = { 'teleport.dev/cloud': 'x', 'teleport.internal/y': 'z', ok: '1' };
    const [cluster] = servedClusters([serves('a', { name: 'prod', labels })], prod);
    expect(cluster!.labels).toEqual({ env: 'prod', 'teleport.dev/origin': 'dynamic', ok: '1' });
  });

  test('takes only labels on which its agents agree', () => {
    const reports = [
      serves('a', { name: 'prod', labels: { zone: 'z1', team: 'x' } }),
      serves('b', { name: 'prod', labels: { zone: 'z2', team: 'x', more: '1' } }),
    ];
    expect(servedClusters(reports, prod)[0]!.labels).toEqual({
      env: 'prod',
      'teleport.dev/origin': 'dynamic',
      team: 'x',
    });
  });

  test('is not taken over by an agent that names a cluster of its own the same', () => {
    expect(servedClusters([serves('rogue', { name: 'prod', origin: 'config-file' })], prod)).toEqual([]);
    const both = servedClusters(
      [serves('rogue', { name: 'prod', origin: 'config-file' }), serves('a', { name: 'prod' })],
      prod,
    );
    expect(both[0]!.agents.map(({ agentId }) => agentId)).toEqual(['a']);
  });

  test('is online as long as one of its agents reaches it, and of that one’s version', () => {
    const reports = [
      serves('a', { name: 'prod', health: 'offline', kubeVersion: '' }),
      serves('b', { name: 'prod', health: 'online', kubeVersion: 'v1.31' }),
    ];
    expect(servedClusters(reports, prod)[0]).toMatchObject({
      health: 'online',
      kubeVersion: 'v1.31',
      agents: [{ agentId: 'a' }, { agentId: 'b' }],
    });
  });
});

describe('a cluster that is not registered', () => {
  test('is not shown when an agent says that it is', () => {
    expect(servedClusters([serves('a', { name: 'gone' })], registered({}))).toEqual([]);
  });

  test('is shown when it is of an agent’s own configuration', () => {
    const [cluster] = servedClusters(
      [
        serves('a', {
          name: 'lab',
          origin: 'config-file',
          labels: { env: 'lab', 'teleport.dev/origin': 'dynamic' },
        }),
      ],
      registered({}),
    );
    expect(cluster!.labels).toEqual({ env: 'lab', 'teleport.dev/origin': 'config-file' });
  });
});

test('a cluster is as well as at the agent where it is best', () => {
  const condition = (state: 'healthy' | 'unhealthy', message: string) => ({ state, reason: 'r', message });
  const reports = [
    serves('a', { name: 'prod', condition: condition('unhealthy', 'no rights') }),
    serves('b', { name: 'prod' }),
    serves('c', { name: 'prod', condition: condition('healthy', '') }),
  ];
  expect(servedClusters(reports, prod)[0]?.condition.state).toBe('healthy');
  expect(servedClusters(reports.slice(0, 2), prod)[0]?.condition.state).toBe('unknown');
  expect(servedClusters(reports.slice(0, 1), prod)[0]?.condition.message).toBe('no rights');
});

test('servers of clusters are those that agents serve rightly, each by itself', () => {
  const reports = [
    serves(
      'b',
      { name: 'prod', health: 'offline' },
      { name: 'gone' },
      { name: 'lab', origin: 'config-file' },
    ),
    serves('a', { name: 'prod' }),
    serves('rogue', { name: 'prod', origin: 'config-file' }),
  ];
  const shown = kubeServers(reports, prod).map(({ agentId, cluster }) => [
    cluster.name,
    agentId,
    cluster.health,
    cluster.condition.state,
  ]);
  expect(shown).toEqual([
    ['lab', 'b', 'online', 'unknown'],
    ['prod', 'a', 'online', 'unknown'],
    ['prod', 'b', 'offline', 'unknown'],
  ]);
});

test('clusters come sorted by name, whatever they are called', () => {
  const names = ['b', '__proto__', 'constructor', 'a'];
  const reports = [serves('a', ...names.map((name) => ({ name, origin: 'config-file' as const })))];
  expect(servedClusters(reports, registered({})).map(({ name }) => name)).toEqual(names.toSorted());
});
