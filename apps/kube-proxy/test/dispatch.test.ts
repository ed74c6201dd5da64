import { duplexPair } from 'node:stream';
import { edgeSubjects } from '@postern/contracts';
import { systemClock } from '@postern/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dispatch, type Dispatched, type DispatchDeps, dispatchUpgrade } from '../src/edge/dispatch.ts';
import { Grants } from '../src/edge/grants.ts';
import { Routes } from '../src/edge/routes.ts';
import { refuseKube } from '../src/listen/refuse.ts';
import { Http1UpgradeAnswer } from '../src/listen/upgrade-answer.ts';
import { readClientHeaders } from '../src/request/client-headers.ts';
import { requestInfoOf } from '../src/request/request-info.ts';
import { parseTarget } from '../src/request/target.ts';
import { CollectedAnswer } from './support/collected-answer.ts';
import { clusterName } from './support/identities.ts';
import { until } from './support/rig.ts';
import { type TestAgent, type TestEdge, TunnelRig } from './support/tunnel-rig.ts';

const pod = '/api/v1/namespaces/dev/pods/box';
const scope = { stack: new AsyncDisposableStack() };
let rig: TunnelRig;
let edge: TestEdge;
let deps: DispatchDeps;

beforeEach(async () => {
  scope.stack = new AsyncDisposableStack();
  rig = scope.stack.use(await TunnelRig.start());
  edge = await rig.edge('e1');
  const { reach, hearing } = edge.tunnels;
  const routes = new Routes({ clock: systemClock, placeOf: (id) => reach.placeOf(id), hearing });
  deps = {
    local: undefined,
    routes,
    reach,
    grants: new Grants(edge.held, systemClock),
    ownAgentId: () => 'e1',
    isRegistered: () => true,
    lockOnAgent: () => undefined,
  };
});
afterEach(() => scope.stack.disposeAsync());

/** Agents that serve the cluster c1, the first one first. */
async function agentsAt(at: TestEdge, ...ids: string[]): Promise<TestAgent[]> {
  const agents = [];
  for (const id of ids) {
    agents.push(await rig.agent(id, [at]));
    report(id);
    await until(() => edge.tunnels.reach.placeOf(id) !== undefined, `${id} is reached`, 10_000);
  }
  return agents;
}

function report(agentId: string): void {
  const served = { name: 'c1', labels: {}, origin: 'dynamic', health: 'online', kubeVersion: '' } as const;
  deps.routes.report({ agentId, run: 'r1', startedAt: '', revision: 1, clusters: [served] });
}

function request(method: string, path: string, headers: readonly string[] = []): Dispatched {
  const info = requestInfoOf(method, parseTarget(path));
  const spiffe = { type: 'user', id: 'alice', clusterName } as const;
  const principal = { ...spiffe, roles: [], notAfter: new Date(), fingerprint: '' };
  const decision = { allowed: true, kubeUser: 'alice', kubeGroups: [], roles: [] } as const;
  return {
    cluster: 'c1',
    info,
    headers: readClientHeaders(headers),
    clientAddress: '',
    requestId: 'r-1',
    granted: { subject: () => '', impersonation: { user: 'alice', groups: [] }, filter: undefined },
    grant: { principal, cluster: 'c1', decision, policyRevision: '1', requestId: 'r-1' },
  };
}

/** The agents it went to, in order, and the whole answer. */
async function ask(asked: Dispatched, body?: Buffer) {
  const answer = new CollectedAnswer();
  const vias: string[] = [];
  await dispatch(deps, asked, {
    body,
    answer,
    via: (id) => vias.push(id),
    begun: () => undefined,
    done: (error) => {
      if (error && answer.status === 0) refuseKube(answer, error);
    },
  });
  return { vias, answer: answer.whole };
}

/** The same for a WebSocket; the answer is everything up to the empty line and behind it, once it is there or refused. */
async function askUpgrade(path: string, protocol: string) {
  const head = [
    'connection',
    'upgrade',
    'upgrade',
    'websocket',
    'sec-websocket-version',
    '13',
    'sec-websocket-key',
    'AAAAAAAAAAAAAAAAAAAAAA==',
    'sec-websocket-protocol',
    protocol,
  ];
  const [near, far] = duplexPair();
  let text = '';
  near.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const vias: string[] = [];
  const flight = dispatchUpgrade(deps, request('GET', path, head), {
    client: new Http1UpgradeAnswer(far, Buffer.alloc(0)),
    via: (id) => vias.push(id),
    begun: () => undefined,
    done: () => undefined,
  });
  scope.stack.defer(() => void near.destroy());
  await flight;
  const answer = async () => {
    await until(() => /\r\n\r\n(?:HTTP|\{|$)/.test(text), 'it is answered', 10_000);
    return text;
  };
  return { vias, answer, near };
}

const exec = { path: `${pod}/exec?command=true&stdout=true`, protocol: 'v5.channel.k8s.io' };
const forwarded = { path: `${pod}/portforward`, protocol: 'SPDY/3.1+portforward.k8s.io' };

/** Waits until an agent holds a request that it does not answer, and ends it as a crash would. */
async function loseUnder(agent: TestAgent): Promise<void> {
  const taken = () => {
    let streams = 0;
    edge.tunnels.agents.forEach((tunnel) => (streams += tunnel.openStreams));
    return streams > 0;
  };
  await until(taken, 'the request is on its way');
  await agent.keeper[Symbol.asyncDispose]();
}

describe.each([
  ['a command', exec],
  ['a forwarded port', forwarded],
])('%s', (_, { path, protocol }) => {
  test('goes to another agent when the first is gone before its stream is opened', async () => {
    const [, second] = await agentsAt(edge, 'a1', 'a2');
    second!.switches = ['sec-websocket-protocol', protocol];
    const asking = askUpgrade(path, protocol);
    edge.tunnels.agents.revoke('a1');
    const { vias, answer } = await asking;
    expect(await answer()).toMatch(/^HTTP\/1\.1 101 /);
    expect(vias.filter((id, at) => id !== vias[at - 1])).toEqual(['a1', 'a2']);
  });

  test('goes to another agent when the edge that should hold the first does not', async () => {
    const other = await rig.edge('e2');
    const [second] = await agentsAt(other, 'a2');
    second!.switches = ['sec-websocket-protocol', protocol];
    rig.bus.publish(edgeSubjects.tunnels('e2'), { run: 'r', revision: 1_000_000, agents: ['a1', 'a2'] });
    report('a1');
    deps.routes.candidates('c1').find(({ agentId }) => agentId === 'a2')!.inFlight += 1;
    const { vias, answer } = await askUpgrade(path, protocol);
    expect(await answer()).toMatch(/^HTTP\/1\.1 101 /);
    expect(vias.filter((id, at) => id !== vias[at - 1])).toEqual(['a1', 'a2']);
  });

  test('is refused when no agent is left', async () => {
    const [only] = await agentsAt(edge, 'a1');
    only!.isFrozen = true;
    const asking = askUpgrade(path, protocol);
    edge.tunnels.agents.revoke('a1');
    expect(await (await asking).answer()).toMatch(/^HTTP\/1\.1 503 /);
  });
});

test('a command that an agent may have begun is not sent twice, and its client is told so', async () => {
  const [first, second] = await agentsAt(edge, 'a1', 'a2');
  first!.isFrozen = true;
  const { vias, answer } = await askUpgrade(exec.path, exec.protocol);
  await loseUnder(first!);
  expect(await answer()).toMatch(/^HTTP\/1\.1 504 [^]*may have been done or not[^]*"reason":"Timeout"/);
  expect(vias).not.toContain(second!.id);
});

test('a forwarded port is opened at another agent when the first is lost before it answers', async () => {
  const [first, second] = await agentsAt(edge, 'a1', 'a2');
  first!.isFrozen = true;
  second!.switches = ['sec-websocket-protocol', forwarded.protocol];
  const { vias, answer } = await askUpgrade(forwarded.path, forwarded.protocol);
  await loseUnder(first!);
  expect(await answer()).toMatch(/^HTTP\/1\.1 101 /);
  expect(vias.at(-1)).toBe('a2');
});

describe('a request whose agent is lost before it answers', () => {
  test('goes to another agent when it reads', async () => {
    const [first] = await agentsAt(edge, 'a1', 'a2');
    first!.isFrozen = true;
    const { vias, answer } = await ask(request('GET', pod));
    await loseUnder(first!);
    expect((await answer).text).toBe('a2');
    expect(vias.at(-1)).toBe('a2');
  });

  test('is not sent twice when it writes, and its client is told that it may have been done', async () => {
    const [first, second] = await agentsAt(edge, 'a1', 'a2');
    first!.isFrozen = true;
    const { answer } = await ask(request('POST', '/api/v1/namespaces/dev/pods'), Buffer.from('{}'));
    await loseUnder(first!);
    const { status, text } = await answer;
    expect(status).toBe(504);
    expect(JSON.parse(text)).toMatchObject({
      reason: 'Timeout',
      message: expect.stringContaining('may have been done or not'),
    });
    expect(second!.seen).toEqual([]);
  });

  test('is sent on when it writes and nothing of it had left, and once', async () => {
    const other = await rig.edge('e2');
    const [second] = await agentsAt(other, 'a2');
    rig.bus.publish(edgeSubjects.tunnels('e2'), { run: 'r', revision: 1_000_000, agents: ['a1', 'a2'] });
    report('a1');
    deps.routes.candidates('c1').find(({ agentId }) => agentId === 'a2')!.inFlight += 1;
    const { vias, answer } = await ask(request('DELETE', pod), Buffer.from('{}'));
    expect((await answer).text).toBe('a2');
    expect(vias.at(-1)).toBe('a2');
    expect(second!.seen).toEqual([`DELETE /kube/c1${pod}`]);
  });

  test('may be sent again when nobody else is there and nothing of it had left', async () => {
    await agentsAt(edge, 'a1');
    const asking = ask(request('DELETE', pod), Buffer.from('{}'));
    edge.tunnels.agents.revoke('a1');
    const { status, headers, text } = await (await asking).answer;
    expect(status).toBe(503);
    expect(headers).toContain('retry-after');
    expect(text).toContain('nothing was changed: send it again');
  });
});
