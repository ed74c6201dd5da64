import { edgeSubjects } from '@postern/contracts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { until } from './support/rig.ts';
import { ClusterNotServed } from '../src/agent/served-clusters.ts';
import { refuseKube } from '../src/listen/refuse.ts';
import { ask, TunnelRig } from './support/tunnel-rig.ts';

let rig: TunnelRig;

beforeEach(async () => {
  rig = await TunnelRig.start();
});
afterEach(() => rig[Symbol.asyncDispose]());

async function edgeWithAgent() {
  const edge = await rig.edge('e1');
  const agent = await rig.agent('a1', [edge]);
  await until(() => edge.tunnels.reach.placeOf(agent.id) === 'here', 'the agent has a tunnel', 10_000);
  return edge;
}

test('an edge that has started knows whose tunnels others hold', async () => {
  await edgeWithAgent();
  const { hasHeard, tunnels } = await rig.edge('e2');
  await hasHeard;
  expect(tunnels.reach.placeOf('a1')).toBe('elsewhere');
});

test('so does one that was killed and comes back under its id before anybody has missed it', async () => {
  await edgeWithAgent();
  await (
    await rig.edge('e2')
  ).hasHeard;
  // The first one is not heard of any more, and said no goodbye.
  const { hasHeard, tunnels } = await rig.edge('e2');
  await hasHeard;
  expect(tunnels.reach.placeOf('a1')).toBe('elsewhere');
});

test('an edge that never says whose tunnels it holds keeps nobody from starting', async () => {
  const beat = { run: 'r', intervalMs: 60_000, address: '127.0.0.1:1', revision: 3 };
  const { hasHeard, tunnels } = await rig.edge('e1');
  rig.bus.publish(edgeSubjects.beat('mute'), beat);
  await hasHeard;
  expect(tunnels.reach.placeOf('a1')).toBeUndefined();
});

test('what an agent does not serve was not done there, and may be asked of another', async () => {
  const edge = await rig.edge('e1');
  const agent = await rig.agent('a1', [edge]);
  await until(() => edge.tunnels.reach.placeOf('a1') === 'here', 'the agent has a tunnel', 10_000);
  agent.serve = ({ answer }) => refuseKube(answer, ClusterNotServed('lab'));
  const asked = ask(edge, 'a1', { method: 'POST', body: Buffer.from('{}') });
  await expect(asked).rejects.toMatchObject({ name: 'WayBroke', arrival: 'nowhere' });
});
