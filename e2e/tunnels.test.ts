import { globSync, statSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { locateIdentity, openIdentity } from '@postern/client';
import { systemClock } from '@postern/core';
import { type KubeApiServer, startKubeApiServer } from '@postern/lab';
import {
  type Balancer,
  type HttpProxy,
  mustRun,
  type RunningProcess,
  type SeparateStack,
  startBalancer,
  startHttpProxy,
  startSeparately,
  until,
} from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { recordedTimes } from './support/streams/audit.ts';
import { type Caller, startLoad } from './support/tunnels/load.ts';
import { socketsOf } from './support/tunnels/sockets-of.ts';
import { startTunnelAgent } from './support/tunnels/start-agent.ts';

const publicName = 'postern.example.com';
const oneEdgeName = 'edge-0.example.com';

describe('agents that can only dial out, through a proxy, and two edges behind one address', () => {
  let folder: string;
  let stack: SeparateStack;
  let target: KubeApiServer;
  let balancer: Balancer;
  let proxy: HttpProxy;
  let caller: Caller;
  const agents = new Map<string, RunningProcess>();
  const edges = () => stack.proxyAddrs.map((address) => `https://${address}`);
  const pathOf = (cluster: string, path: string) => {
    const name = (text: string) => Buffer.from(text).toString('base64url');
    return `/v1/teleport/${name('postern')}/${name(cluster)}${path}`;
  };
  const portOf = (address: string) => Number(address.split(':')[1]);

  const start = async (name: string, to: string, labels: Record<string, string>) => {
    const proxyServer = `${to}:443`;
    const options = { name, folder, stack, proxyServer, httpsProxy: proxy.url, labels };
    agents.set(name, await startTunnelAgent(options));
  };
  const register = async (name: string, labels: Record<string, string>) => {
    const file = join(folder, `${name}-cluster.yaml`);
    const kubeconfig = (await readFile(target.kubeconfig)).toString('base64');
    const metadata = { name, labels };
    await writeFile(file, stringify({ kind: 'kube_cluster', version: 'v3', metadata, spec: { kubeconfig } }));
    await stack.admin.must('tctl', ['create', '-f', file]);
  };
  /** Waits until an edge answers for the cluster. */
  const answers = async (edge: string, cluster: string) => {
    await until(`${cluster} is reached through ${edge}`, async () => {
      const load = startLoad([edge], pathOf(cluster, '/version'), caller);
      await until('an answer', () => load.answered() > 0, { withinMs: 1000 }).catch(() => undefined);
      const { answered, failed } = await load.stop();
      if (answered === 0) throw new Error(failed[0] ?? 'nothing was answered');
      return true;
    });
  };
  const logOf = (name: string) => readFile(join(folder, `${name}.log`), 'utf8');
  const tunnelsOf = async (name: string) =>
    [...(await logOf(name)).matchAll(/opened a tunnel edge=(\S+)/g)].map(([, edge]) => edge!);

  /** What lies in the journals of the edges. */
  const journalBytes = () =>
    globSync(join(folder, 'kube-proxy-*', 'facts', '*', '*.journal'))
      .map((file) => statSync(file).size)
      .reduce((sum, size) => sum + size, 0);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-tunnels-'));
    [stack, target] = await Promise.all([
      startSeparately(folder),
      startKubeApiServer({ dir: join(folder, 'target'), durable: false }),
    ]);
    const ports = stack.proxyAddrs.map(portOf);
    balancer = await startBalancer(ports);
    proxy = await startHttpProxy({ [publicName]: balancer.port, [oneEdgeName]: ports[0]! });
    const located = locateIdentity({ proxy: stack.proxyAddrs[0], env: stack.admin.env, cwd: stack.dataDir });
    const { key, certificate, caPem } = await openIdentity(located, systemClock);
    caller = { key, cert: certificate, ca: caPem };
    await register('far', { where: 'far' });
    await register('near', { where: 'near' });
    await Promise.all([
      start('agent-a', publicName, { where: 'far' }),
      start('agent-b', publicName, { where: 'far' }),
      start('agent-n', oneEdgeName, { where: 'near' }),
    ]);
    for (const edge of edges()) await answers(edge, 'far');
  }, 180_000);

  afterAll(async () => {
    for (const agent of agents.values()) await agent.stop();
    await stack?.[Symbol.asyncDispose]();
    await proxy?.[Symbol.asyncDispose]();
    await balancer?.[Symbol.asyncDispose]();
    await target?.stop();
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  test('listen nowhere, and know nobody but the proxy and their API server', async () => {
    const asked = () => [...new Set(proxy.asked)].toSorted();
    await until('everybody has dialled', () => asked().length >= 2);
    for (const agent of agents.values()) {
      const { listening, connectedTo } = socketsOf(agent.pid);
      expect(listening).toEqual([]);
      const known = [Number(new URL(proxy.url).port), Number(new URL(target.url).port)];
      expect(connectedTo.filter((port) => !known.includes(port))).toEqual([]);
    }
    expect(asked()).toEqual([`${oneEdgeName}:443`, `${publicName}:443`]);
  });

  test('keep tunnels to both edges', async () => {
    for (const name of ['agent-a', 'agent-b'])
      await until(`${name} has two`, async () => new Set(await tunnelsOf(name)).size === 2);
  });

  test('are reached through an edge that has none of their tunnels', async () => {
    for (const edge of edges()) await answers(edge, 'near');
    expect(new Set(await tunnelsOf('agent-n')).size).toBe(1);
  });

  test('serve kubectl, with writes, watches and large answers', async () => {
    await mustRun('kubectl', [
      `--kubeconfig=${target.kubeconfig}`,
      'create',
      'clusterrolebinding',
      'postern-admins',
      '--clusterrole=cluster-admin',
      '--group=postern:admins',
    ]);
    await stack.admin.must('tsh', ['kube', 'login', 'far']);
    const value = `--from-literal=text=${'x'.repeat(100_000)}`;
    for (const at of [1, 2, 3])
      expect((await stack.admin.kubectl(['create', 'configmap', `big-${at}`, value])).stderr).toBe('');
    const { stdout } = await stack.admin.kubectl(['get', 'configmaps', '-o', 'json']);
    expect(stdout.length).toBeGreaterThan(300_000);
    const waited = stack.admin.kubectl(['wait', '--for=delete', 'configmap/big-1', '--timeout=20s']);
    await stack.admin.kubectl(['delete', 'configmap', 'big-1']);
    expect((await waited).code).toBe(0);
  });

  test('take over from one that is frozen long before its tunnel is given up, and no request fails', async () => {
    const load = startLoad(edges(), pathOf('far', '/version'), caller);
    await until('the load runs', () => load.answered() > 50);
    agents.get('agent-a')!.freeze();
    const before = load.answered();
    await until('it goes on', () => load.answered() > before + 200);
    agents.get('agent-a')!.thaw();
    const { failed, slowestMs } = await load.stop();
    expect(failed).toEqual([]);
    expect(slowestMs).toBeLessThan(8000);
  });

  test('take over from one that is killed, and no request fails', async () => {
    const load = startLoad(edges(), pathOf('far', '/version'), caller);
    await until('the load runs', () => load.answered() > 50);
    await agents.get('agent-a')!.kill9();
    const before = load.answered();
    await until('it goes on', () => load.answered() > before + 200);
    expect((await load.stop()).failed).toEqual([]);
    await start('agent-c', publicName, { where: 'far' });
    await until('another one came', async () => new Set(await tunnelsOf('agent-c')).size === 2);
  });

  test('lose no request when an edge is stopped, and come back to it', async () => {
    const load = startLoad(edges(), pathOf('far', '/version'), caller);
    await until('the load runs', () => load.answered() > 50);
    await stack.process('kube-proxy', 1).stop();
    const before = load.answered();
    await until('it goes on', () => load.answered() > before + 100);
    const { failed } = await load.stop();
    expect(failed.filter((text) => !text.startsWith('ECONNRESET'))).toEqual([]);
    await stack.restart('kube-proxy-1');
    await answers(edges()[1]!, 'far');
  });

  test('come back to an edge that was killed, and to one that was frozen', async () => {
    await stack.process('kube-proxy', 1).kill9();
    await answers(edges()[0]!, 'far');
    await stack.restart('kube-proxy-1');
    await answers(edges()[1]!, 'far');
    stack.process('kube-proxy', 1).freeze();
    await answers(edges()[0]!, 'far');
    stack.process('kube-proxy', 1).thaw();
    await answers(edges()[1]!, 'far');
  });

  test('serve while the bus is away, and each request is recorded once when it is back', async () => {
    const load = startLoad(edges(), pathOf('far', '/api/v1/namespaces/default'), caller);
    await until('the load runs', () => load.answered() > 50);
    await stack.kill9('nats');
    const [before, journalled] = [load.answered(), journalBytes()];
    await until('it goes on', () => load.answered() > before + 500);
    expect(await stack.admin.kubectl(['get', 'configmaps'])).toMatchObject({ code: 0, stderr: '' });
    expect(journalBytes() - journalled).toBeGreaterThan(500 * 300);
    await stack.revive('nats');
    const { failed, requestIds } = await load.stop();
    expect(failed).toEqual([]);
    await until(
      'everything is recorded',
      async () => (await recordedTimes(stack.postgres, requestIds)).size === requestIds.length,
      { withinMs: 60_000, everyMs: 500 },
    );
    const times = await recordedTimes(stack.postgres, requestIds);
    expect([...times.values()].filter((count) => count !== 1)).toEqual([]);
  });
});
