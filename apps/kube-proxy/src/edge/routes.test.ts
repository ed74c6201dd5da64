import type { ServedReport } from '@postern/contracts';
import { describe, expect, test } from 'vitest';
import { clusterNamed } from './cluster-directory.ts';
import { Routes } from './routes.ts';
import type { TunnelPlace } from './tunnels/agent-reach.ts';

const cluster = (name: string, extra: Partial<ServedReport['clusters'][number]> = {}) =>
  ({ name, labels: {}, origin: 'dynamic', health: 'online', kubeVersion: '', ...extra }) as const;

const report = (
  agentId: string,
  clusters: ServedReport['clusters'],
  extra: Partial<ServedReport> = {},
): ServedReport => ({
  agentId,
  run: 'r1',
  startedAt: '2026-01-01T00:00:00.000Z',
  revision: 1,
  clusters,
  ...extra,
});

const heartbeat = (agentId: string, servedRevision = 1, run = 'r1') => ({
  agentId,
  run,
  startedAt: '',
  sequence: 1,
  intervalMs: 1000,
  version: '',
  hostname: '',
  services: ['Kube'],
  servedRevision,
});

function setup() {
  const time = { ms: 0 };
  const places: Record<string, TunnelPlace | undefined> = {};
  const placeOf = (id: string) => (id in places ? places[id] : 'here');
  const routes = new Routes({ clock: () => new Date(time.ms), placeOf, hearing: { now: () => time.ms } });
  const ids = (name = 'c1') => routes.candidates(name).map(({ agentId }) => agentId);
  return { time, routes, ids, places };
}

describe('routes', () => {
  test('lead to every agent that serves a cluster, the least busy first', () => {
    const { routes, ids } = setup();
    routes.report(report('a1', [cluster('c1')]));
    routes.report(report('a2', [cluster('c1'), cluster('c2')]));
    routes.candidates('c1')[0]!.inFlight += 1;
    expect(ids()).toEqual(['a2', 'a1']);
    expect(ids('c2')).toEqual(['a2']);
    expect(ids('c3')).toEqual([]);
  });

  test('avoid an agent that could not be reached, for five seconds', () => {
    const { time, routes, ids } = setup();
    routes.report(report('a1', [cluster('c1')]));
    routes.report(report('a2', [cluster('c1')]));
    routes.unreachable('a1');
    expect(ids()).toEqual(['a2', 'a1']);
    time.ms = 5001;
    expect(ids()).toEqual(['a1', 'a2']);
  });

  test('prefer agents where the cluster is online', () => {
    const { routes, ids } = setup();
    routes.report(report('a1', [cluster('c1', { health: 'offline' })]));
    routes.report(report('a2', [cluster('c1')]));
    expect(ids()).toEqual(['a2', 'a1']);
  });

  test('end with a goodbye, and with silence unless a tunnel is open', () => {
    const { time, routes, ids, places } = setup();
    places['a1'] = 'elsewhere';
    routes.report(report('a1', [cluster('c1')]));
    routes.report(report('a2', [cluster('c1')]));
    routes.heartbeat(heartbeat('a1'));
    time.ms = 3001;
    expect(ids()).toEqual(['a2']);
    places['a1'] = 'here';
    expect(ids()).toEqual(['a1', 'a2']);
    routes.goodbye('a1');
    routes.goodbye('a2');
    expect(ids()).toEqual([]);
  });

  test('do not go back to an older report', () => {
    const { routes, ids } = setup();
    routes.report(report('a1', [], { revision: 2 }));
    expect(routes.report(report('a1', [cluster('c1')]))).toBe(false);
    expect(
      routes.report(
        report('a1', [cluster('c1')], { run: 'r0', startedAt: '2025-01-01T00:00:00.000Z', revision: 9 }),
      ),
    ).toBe(false);
    expect(ids()).toEqual([]);
    expect(
      routes.report(
        report('a1', [cluster('c1')], { run: 'r2', startedAt: '2027-01-01T00:00:00.000Z', revision: 0 }),
      ),
    ).toBe(true);
    expect(ids()).toEqual(['a1']);
  });

  test('notice a heartbeat that speaks of another report', () => {
    const { routes } = setup();
    expect(routes.heartbeat(heartbeat('a1'))).toBe(false);
    routes.report(report('a1', []));
    expect(routes.heartbeat(heartbeat('a1'))).toBe(true);
    expect(routes.heartbeat(heartbeat('a1', 2))).toBe(false);
    expect(routes.heartbeat(heartbeat('a1', 1, 'r2'))).toBe(false);
  });

  test('lead to no agent without a tunnel', () => {
    const { routes, ids, places } = setup();
    places['a1'] = undefined;
    routes.report(report('a1', [cluster('c1')]));
    expect(ids()).toEqual([]);
    expect(routes.served('c1')).toHaveLength(1);
  });

  test('take a hop to another edge only where no agent has a tunnel to this one', () => {
    const { routes, ids, places } = setup();
    places['a1'] = 'elsewhere';
    routes.report(report('a1', [cluster('c1')]));
    routes.report(report('a2', [cluster('c1')]));
    routes.candidates('c1')[0]!.inFlight += 5;
    expect(ids()).toEqual(['a2', 'a1']);
    routes.report(report('a2', [cluster('c1', { health: 'offline' })], { revision: 2 }));
    expect(ids()).toEqual(['a1', 'a2']);
  });
});

describe('a cluster as access is decided', () => {
  const registered = (labels: Record<string, string>) => ({
    kind: 'kube_cluster',
    id: 'c1',
    rev: 1,
    revision: '1',
    resource: { kind: 'kube_cluster', version: 'v3', metadata: { name: 'c1', labels }, spec: {} },
  });
  const known = (resource: ReturnType<typeof registered> | undefined, ...served: ServedReport['clusters']) =>
    clusterNamed('c1', { registered: () => resource, served: () => served });

  test('has the labels of its resource, which no agent replaces', () => {
    const agent = cluster('c1', { labels: { env: 'prod', region: 'eu', 'teleport.dev/origin': 'cloud' } });
    expect(known(registered({ env: 'dev' }), agent)?.labels).toEqual({ env: 'dev', region: 'eu' });
  });

  test('has only those added labels that all its agents agree on', () => {
    const agents = [
      cluster('c1', { labels: { a: '1', b: '1' } }),
      cluster('c1', { labels: { a: '1', b: '2' } }),
    ];
    expect(known(registered({}), ...agents)?.labels).toEqual({ a: '1' });
  });

  test('is not taken over by an agent that has one of that name in its own configuration (K-10, K-11)', () => {
    const rogue = cluster('c1', { origin: 'config-file', labels: { env: 'open' } });
    expect(known(registered({ env: 'dev' }), rogue)?.labels).toEqual({ env: 'dev' });
  });

  test('exists without a resource only while an agent has it in its own configuration', () => {
    expect(known(undefined)).toBeUndefined();
    expect(known(undefined, cluster('c1'))).toBeUndefined();
    expect(known(undefined, cluster('c1', { origin: 'config-file', labels: { a: '1' } }))?.labels).toEqual({
      a: '1',
      'teleport.dev/origin': 'config-file',
    });
  });
});
