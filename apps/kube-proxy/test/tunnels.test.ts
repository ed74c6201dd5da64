import { connect, type TLSSocket } from 'node:tls';
import { edgeSubjects } from '@postern/contracts';
import { openLink, startBalancer } from '@postern/testkit';
import { Tunnel, tunnelProtocol } from '@postern/tunnel';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from './support/rig.ts';
import { ask, type TestAgent, type TestEdge, TunnelRig } from './support/tunnel-rig.ts';

let rig: TunnelRig;
const scope = { stack: new AsyncDisposableStack() };

beforeEach(async () => {
  scope.stack = new AsyncDisposableStack();
  rig = scope.stack.use(await TunnelRig.start());
});
afterEach(() => scope.stack.disposeAsync());

const reached = (edge: TestEdge, agent: Pick<TestAgent, 'id'>, place: string | undefined) =>
  until(
    () => edge.tunnels.reach.placeOf(agent.id) === place,
    `${agent.id} is reached ${place} by ${edge.id}`,
    10_000,
  );
const edgesOf = (agent: TestAgent) => agent.keeper.edgeIds.toSorted();

describe('an agent', () => {
  test('is reached through the tunnel that it opened', async () => {
    const edge = await rig.edge('e1');
    const agent = await rig.agent('a1', [edge]);
    await reached(edge, agent, 'here');
    expect(await ask(edge, 'a1', { path: '/kube/c1/api' })).toEqual({ status: 200, text: 'a1' });
    expect(agent.seen).toEqual(['GET /kube/c1/api']);
  });

  test('gets what is meant for it and nothing of another agent (S-13)', async () => {
    const edge = await rig.edge('e1');
    const agents = await Promise.all(['a1', 'a2', 'a3'].map((id) => rig.agent(id, [edge])));
    for (const agent of agents) await reached(edge, agent, 'here');
    const asked = Array.from({ length: 60 }, (_, at) => `a${1 + (at % 3)}`);
    const answers = await Promise.all(asked.map((id, at) => ask(edge, id, { path: `/${id}/${at}` })));
    expect(answers.map(({ text }) => text)).toEqual(asked);
    for (const { id, seen } of agents) expect(seen.every((line) => line.includes(`/${id}/`))).toBe(true);
  });

  test('keeps tunnels to two edges behind one address', async () => {
    const edges = [await rig.edge('e1'), await rig.edge('e2')];
    const balancer = scope.stack.use(await startBalancer(edges.map(({ port }) => port)));
    const agent = await rig.agent('a1', [balancer]);
    await until(() => edgesOf(agent).join() === 'e1,e2', 'it has both', 10_000);
    for (const edge of edges) expect((await ask(edge, 'a1')).text).toBe('a1');
  });

  test('has one tunnel where there is one edge, and leaves the address alone', async () => {
    const edge = await rig.edge('e1');
    const balancer = scope.stack.use(await startBalancer([edge.port]));
    const agent = await rig.agent('a1', [balancer]);
    await reached(edge, agent, 'here');
    await ask(edge, 'a1');
    expect(balancer.dials()).toBe(1);
  });

  test('loses nothing when the balancer leads to an edge that it has already', async () => {
    const edge = await rig.edge('e1');
    await rig.edge('e2');
    const balancer = scope.stack.use(await startBalancer([edge.port]));
    const agent = await rig.agent('a1', [balancer]);
    await reached(edge, agent, 'here');
    let failed = 0;
    while (balancer.dials() < 6) await ask(edge, 'a1', { method: 'POST' }).catch(() => (failed += 1));
    expect(failed).toBe(0);
    expect(edgesOf(agent)).toEqual(['e1']);
  });

  test('comes back after its edge was away, later with each failure and at a random moment (X-05)', async () => {
    const edge = await rig.edge('e1');
    const draws: number[] = [];
    const agent = await rig.agent('a1', [edge], {
      random: () => {
        draws.push(performance.now());
        return 1;
      },
    });
    await reached(edge, agent, 'here');
    await edge[Symbol.asyncDispose]();
    const failures = () => rig.telemetry.lines.filter((line) => line.includes('no tunnel to an edge')).length;
    await until(() => failures() >= 3, 'it failed three times', 10_000);
    // Each failure is drawn for once, right when it is told.
    const [first, second, third] = draws.slice(draws.length - failures());
    expect(second! - first!).toBeGreaterThan(400);
    expect(third! - second!).toBeGreaterThan(800);
    expect(draws.length).toBeGreaterThan(3);
    const again = await rig.edge('e1', edge.port);
    await reached(again, agent, 'here');
  });

  test('notices that nobody is at the other end any more, and dials again', async () => {
    const edge = await rig.edge('e1');
    const link = scope.stack.use(await openLink(edge.port));
    const agent = await rig.agent('a1', [link], { pingIntervalMs: 200 });
    await reached(edge, agent, 'here');
    link.set('halfOpen');
    await until(() => agent.keeper.edgeIds.length === 0, 'the silence is noticed', 10_000);
    link.set('open');
    await reached(edge, agent, 'here');
    await until(() => agent.keeper.edgeIds.length === 1, 'it has a tunnel again', 10_000);
    expect((await ask(edge, 'a1')).text).toBe('a1');
  });

  test('that is frozen gets nothing after three seconds, and requests again when it answers', async () => {
    const edge = await rig.edge('e1');
    const agent = await rig.agent('a1', [edge]);
    await reached(edge, agent, 'here');
    agent.isFrozen = true;
    await expect(ask(edge, 'a1')).rejects.toThrow('has answered nothing');
    expect(edge.tunnels.reach.placeOf('a1')).toBeUndefined();
    agent.isFrozen = false;
    await reached(edge, agent, 'here');
    expect((await ask(edge, 'a1')).text).toBe('a1');
  });

  test('whose API server takes its time is not taken for frozen', async () => {
    const edge = await rig.edge('e1');
    const agent = await rig.agent('a1', [edge]);
    await reached(edge, agent, 'here');
    const { serve } = agent;
    agent.serve = (exchange) => void setTimeout(() => serve(exchange), 4500);
    expect((await ask(edge, 'a1')).text).toBe('a1');
  });

  test('leaves without losing what is under way', async () => {
    const edge = await rig.edge('e1');
    const agent = await rig.agent('a1', [edge]);
    await reached(edge, agent, 'here');
    const { serve } = agent;
    let answer = () => undefined as void;
    agent.serve = (exchange) => (answer = () => serve(exchange));
    const asked = ask(edge, 'a1', { method: 'POST', body: Buffer.from('{}') });
    await until(() => agent.seen.length === 1, 'the request is there');
    const left = agent.keeper.drain(5000);
    await reached(edge, agent, undefined);
    await expect(ask(edge, 'a1')).rejects.toThrow('no tunnel');
    answer();
    expect((await asked).text).toBe('a1');
    await left;
  });
});

describe('an edge', () => {
  test('reaches an agent of another edge over one hop, with bodies and upgrades', async () => {
    const [near, far] = [await rig.edge('e1'), await rig.edge('e2')];
    const agent = await rig.agent('a1', [far]);
    await reached(near, agent, 'elsewhere');
    agent.serve = ({ body, answer }) => {
      answer.begin(200, []);
      body.on('data', (chunk: Buffer) => answer.sink.write(chunk)).once('end', () => answer.sink.end());
    };
    const body = Buffer.alloc(3_000_000, 'x');
    const headers = { method: 'POST', body };
    expect((await ask(near, 'a1', headers)).text.length).toBe(body.length);
    agent.serve = ({ answer }) => {
      answer.begin(200, []);
      answer.sink.end(body);
    };
    expect((await ask(near, 'a1')).text.length).toBe(body.length);
    const echoed = await new Promise<string>((resolve, reject) => {
      near.tunnels.reach
        .upstreamOf('a1')
        .upgrade({ method: 'GET', path: '/exec', headers: [], isLongLived: true }, 'websocket', {
          joined: (_headers, stream) => {
            stream.once('data', (chunk: Buffer) => resolve(chunk.toString()));
            stream.write('ping');
          },
          refused: (status) => reject(new Error(String(status))),
          failed: (error) => reject(error),
        });
    });
    expect(echoed).toBe('ping');
  });

  test('passes on to its own tunnels only, never to a third edge', async () => {
    const one = await rig.edge('e1');
    await rig.edge('e2');
    const agent = await rig.agent('a1', [await rig.edge('e3')]);
    await reached(one, agent, 'elsewhere');
    // e2 says that it holds the agent, which it does not: it hands nothing on to e3.
    const said = { run: 'r', revision: 1_000_000, agents: ['a1'] };
    rig.bus.publish(edgeSubjects.tunnels('e2'), said);
    rig.bus.publish(edgeSubjects.tunnels('e3'), { ...said, agents: [] });
    await until(() => one.tunnels.reach.placeOf('a1') === 'elsewhere', 'e2 is believed');
    await expect(ask(one, 'a1')).rejects.toThrow('has no tunnel to this edge');
    expect(agent.seen).toEqual([]);
  });

  test('that leaves tells the others, and its agents go elsewhere while it ends what it has', async () => {
    const [one, two] = [await rig.edge('e1'), await rig.edge('e2')];
    const balancer = scope.stack.use(await startBalancer([one.port, two.port]));
    const agent = await rig.agent('a1', [balancer]);
    await until(() => edgesOf(agent).join() === 'e1,e2', 'it has both', 10_000);
    const { serve } = agent;
    let answer = () => undefined as void;
    agent.serve = (exchange) => (answer = () => serve(exchange));
    const asked = ask(one, 'a1');
    await until(() => agent.seen.length === 1, 'the request is there');
    agent.serve = serve;
    const left = one.tunnels.close(5000);
    await until(() => edgesOf(agent).join() === 'e2', 'one is left');
    expect((await ask(two, 'a1')).text).toBe('a1');
    answer();
    expect((await asked).text).toBe('a1');
    await left;
  });

  test('closes a tunnel when the certificate it was opened with ends, and a renewed one has taken over before (C-09)', async () => {
    const edge = await rig.edge('e1');
    const agent = await rig.agent('a1', [edge], { ttlMs: 3500 });
    const other = await rig.agent('a2', [edge], { ttlMs: 3500 });
    await reached(edge, agent, 'here');
    await reached(edge, other, 'here');
    const renewed = (await rig.pki.held('a1', ['Kube'])).current();
    agent.held.replace(renewed);
    let failed = 0;
    while (edge.tunnels.reach.placeOf('a2') === 'here') {
      await ask(edge, 'a1').catch(() => (failed += 1));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(failed).toBe(0);
    expect(edge.tunnels.reach.placeOf('a1')).toBe('here');
    expect((await ask(edge, 'a1')).text).toBe('a1');
  });

  test('ends everything of an agent that was revoked, and takes no tunnel of it again', async () => {
    const edge = await rig.edge('e1');
    const agent = await rig.agent('a1', [edge]);
    await reached(edge, agent, 'here');
    edge.tunnels.agents.revoke(agent.id);
    await reached(edge, agent, undefined);
    const refusals = () => rig.telemetry.lines.filter((line) => line.includes('was revoked')).length;
    await until(() => refusals() > 1, 'it was refused again', 10_000);
    expect(edge.tunnels.reach.placeOf('a1')).toBeUndefined();
  });
});

describe('a lock', () => {
  const token = 'ab'.repeat(32);

  test.each([
    ['an agent', { server_id: 'a1' }],
    ['the token by which it joined', { join_token: `sha256:${token}` }],
  ])('on %s ends its tunnels within two seconds and keeps it out until it is gone', async (_, target) => {
    const edge = await rig.edge('e1');
    const agent = await rig.agent('a1', [edge], { joinToken: token });
    const other = await rig.agent('a2', [edge], { joinToken: 'cd'.repeat(32) });
    await reached(edge, agent, 'here');
    await reached(edge, other, 'here');
    const began = performance.now();
    rig.lock(edge, target);
    await reached(edge, agent, undefined);
    expect(performance.now() - began).toBeLessThan(2000);
    const refusals = () => rig.telemetry.lines.filter((line) => line.includes('is locked')).length;
    await until(() => refusals() > 1, 'it was refused again', 10_000);
    expect(edge.tunnels.reach.placeOf('a1')).toBeUndefined();
    expect((await ask(edge, 'a2')).text).toBe('a2');
    rig.lock(edge);
    await reached(edge, agent, 'here');
  });
});

describe('the tunnel port', () => {
  const dial = async (
    edge: TestEdge,
    client: { key: string; cert: string } | undefined,
  ): Promise<{ tunnel: Tunnel; socket: TLSSocket }> => {
    const socket = connect({
      host: '127.0.0.1',
      port: edge.port,
      ca: rig.pki.host.certificate,
      checkServerIdentity: () => undefined,
      ALPNProtocols: [tunnelProtocol],
      ...client,
    });
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    const tunnel = new Tunnel(socket, { side: 'dialer', report: () => undefined });
    return { tunnel, socket };
  };
  const materialOf = async (id: string, roles: string[]) => {
    const { key, certificate: cert } = (await rig.pki.held(id, roles)).current();
    return { key, cert };
  };

  test.each<[string, () => Promise<{ key: string; cert: string } | undefined>, string]>([
    ['nobody', async () => undefined, 'the connection of the tunnel was lost'],
    ['a person', () => rig.pki.person('alice'), 'needs the certificate of an agent'],
    ['a bot', () => rig.pki.person('ci', { type: 'bot' }), 'needs the certificate of an agent'],
    ['a service', () => materialOf('svc-1', ['Auth']), 'needs the certificate of an agent'],
    ['an agent of another role', () => materialOf('d1', ['Discovery']), 'needs the certificate of an agent'],
  ])('is not for %s (C-01)', async (_, client, reason) => {
    const edge = await rig.edge('e1');
    const { tunnel } = await dial(edge, await client());
    expect((await tunnel.closed)?.message).toContain(reason);
    expect(edge.tunnels.agents.size).toBe(0);
  });

  test('is not for an agent of another cluster that has the same name (C-01)', async () => {
    const edge = await rig.edge('e1');
    const foreign = await TunnelRig.start();
    const { key, certificate: cert } = (await foreign.pki.held('a1', ['Kube'])).current();
    const { tunnel } = await dial(edge, { key, cert });
    expect((await tunnel.closed)?.code).toBe('tunnel.lost');
    expect(edge.tunnels.agents.size).toBe(0);
  });

  test('knows an agent by its certificate, whatever name it asks for in the handshake (C-11)', async () => {
    const edge = await rig.edge('e1');
    const { key, cert } = await materialOf('a1', ['Kube']);
    const socket = connect({
      host: '127.0.0.1',
      port: edge.port,
      ca: rig.pki.host.certificate,
      servername: 'a2.postern.test',
      checkServerIdentity: () => undefined,
      ALPNProtocols: [tunnelProtocol],
      key,
      cert,
    });
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
    const nothing = () => undefined;
    await using _ = new Tunnel(socket, {
      side: 'dialer',
      accept: () => ({ data: nothing, end: nothing, reset: nothing, drain: nothing }),
      report: nothing,
    });
    await until(() => edge.tunnels.agents.size === 1, 'the tunnel is there');
    expect(edge.tunnels.agents.agentIds).toEqual(['a1']);
  });

  test('closes on an agent that opens streams itself (S-16)', async () => {
    const edge = await rig.edge('e1');
    const { tunnel } = await dial(edge, await materialOf('a1', ['Kube']));
    const nothing = () => undefined;
    const events = { data: nothing, end: nothing, reset: nothing, drain: nothing };
    tunnel.open({ method: 'GET', path: '/kube/c1', headers: [], to: 'a2' }, events);
    expect((await tunnel.closed)?.code).toBe('tunnel.protocol_broken');
  });
});
