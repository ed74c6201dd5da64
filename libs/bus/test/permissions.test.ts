import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  connect,
  headers as natsHeaders,
  type NatsConnection,
  type Authenticator,
} from '@nats-io/transport-node';
import {
  agentSubjects,
  commandSubjects,
  everything,
  liveViewSubject,
  selectorHash,
  viewSubject,
} from '@postern/contracts';
import { delay } from '@postern/core';
import { testNats, until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  allStreams,
  type Bus,
  connectBus,
  createOperatorConfig,
  createUserKey,
  inboxPrefix,
  openView,
  permissionsOf,
  putViewEntry,
  readViewPage,
  userJwt,
} from '../src/index.ts';
import { readSeed } from '../src/nkeys.ts';

const operator = createOperatorConfig();
const hash = selectorHash(everything('kube_cluster'));
const otherHash = selectorHash(everything('role'));
const keptRole = { kind: 'role', version: 'v8', metadata: { name: 'keep' }, spec: {} };
let nats: Awaited<ReturnType<typeof testNats>>;
let service: Bus;
let agent: NatsConnection;
let edge: NatsConnection;
let control: NatsConnection;
const refused: string[] = [];

function credentials(roles: string[], agentId: string, expires = new Date(Date.now() + 3_600_000)) {
  const key = createUserKey();
  const permissions = permissionsOf(roles, agentId, [hash]);
  const { accountSeed } = operator;
  const jwt = userJwt({ accountSeed, userPublicKey: key.publicKey, name: agentId, expires, ...permissions });
  return { seed: key.seed, jwt };
}

/** A bare connection: the matrix must not be kept by our own wrapper. */
async function raw(roles: string[], agentId: string): Promise<NatsConnection> {
  const { seed, jwt } = credentials(roles, agentId);
  const key = readSeed(seed);
  const authenticator: Authenticator = (nonce = '') => ({
    jwt,
    nkey: key.publicKey,
    sig: key.sign(nonce).toString('base64url'),
  });
  const connection = await connect({ servers: nats.url, authenticator, inboxPrefix: inboxPrefix(agentId) });
  void (async () => {
    for await (const status of connection.status())
      if (status.type === 'error') refused.push(status.error.message);
  })();
  return connection;
}

beforeAll(async () => {
  nats = await testNats({ config: operator.config });
  service = await connectBus({
    servers: nats.url,
    name: 'service',
    creds: credentials(['Auth'], 's1'),
    inboxPrefix: inboxPrefix('s1'),
  });
  await service.reconcileStreams(allStreams());
  [agent, edge, control] = await Promise.all([
    raw(['Kube'], 'a1'),
    raw(['Proxy'], 'e1'),
    raw(['Auth'], 'c1'),
  ]);
});

afterAll(async () => {
  await Promise.all([agent.close(), edge.close(), control.close()]);
  await service[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
});

async function mayPublish(connection: NatsConnection, subject: string): Promise<boolean> {
  const before = refused.length;
  connection.publish(subject, '{}');
  // The server's refusal comes before the flush is answered; the status loop sees it a turn later.
  await connection.flush();
  await nextTurn();
  return !refused.slice(before).some((text) => text.toLowerCase().includes('permissions violation'));
}

async function maySubscribe(connection: NatsConnection, subject: string, queue?: string): Promise<boolean> {
  let isRefused = false;
  const subscription = connection.subscribe(subject, {
    ...(queue ? { queue } : {}),
    callback: (error) => {
      if (error) isRefused = true;
    },
  });
  await connection.flush();
  await nextTurn();
  if (!subscription.isClosed()) subscription.unsubscribe();
  return !isRefused;
}

describe('an agent may publish', () => {
  test.each([
    ['its heartbeat', agentSubjects.heartbeat('a1')],
    ['its report', agentSubjects.served('a1')],
    ['its goodbye', agentSubjects.goodbye('a1')],
    ['its facts', agentSubjects.fact('a1', 'ClusterServed')],
    ['its view requests', agentSubjects.openView('a1')],
    ['its snapshot requests', agentSubjects.snapshot('a1')],
  ])('%s', async (_, subject) => {
    expect(await mayPublish(agent, subject)).toBe(true);
  });
});

describe('an agent may not publish', () => {
  test.each([
    ['as another agent', agentSubjects.heartbeat('a2')],
    ['the audit record of a request', agentSubjects.fact('a1', 'KubeRequestAudited')],
    ["another agent's facts", agentSubjects.fact('a2', 'ClusterServed')],
    ['commands', commandSubjects.reportServed('a2')],
    ['commands to itself', commandSubjects.reportServed('a1')],
    ['events', 'evt.join.00.agent.a1.AgentJoined'],
    ['view entries', `view.${hash}.kube_cluster.x`],
    ['live view entries', `live.view.${hash}.kube_cluster.x`],
    ['wake-ups', 'wake.join'],
    ['route requests', 'inventory.routes'],
    ['answers to others', '_INBOX.a2.x'],
    ['answers to services', '_INBOX.s1.x'],
    ['JetStream account requests', '$JS.API.INFO'],
    ['stream creation', '$JS.API.STREAM.CREATE.X'],
    ['stream deletion', '$JS.API.STREAM.DELETE.EVT_JOIN'],
    ['stream purge', '$JS.API.STREAM.PURGE.VIEW'],
    ['stream restore', '$JS.API.STREAM.RESTORE.EVT_JOIN'],
    ['message reads', '$JS.API.STREAM.MSG.GET.VIEW'],
    ['direct reads', '$JS.API.DIRECT.GET.VIEW'],
    ['direct reads by subject', `$JS.API.DIRECT.GET.VIEW.view.${hash}.kube_cluster.x`],
    ['consumer creation', '$JS.API.CONSUMER.CREATE.VIEW'],
    ['named consumer creation', `$JS.API.CONSUMER.CREATE.VIEW.a1.view.${hash}.>`],
    ['durable consumer creation', '$JS.API.CONSUMER.DURABLE.CREATE.VIEW.a1'],
    ['pulls', '$JS.API.CONSUMER.MSG.NEXT.FACT.inventory'],
    ['acknowledgements', '$JS.ACK.FACT.inventory.1.1.1.1.0'],
    ['flow control', '$JS.FC.FACT.x.y'],
    ['system requests', '$SYS.REQ.CLAIMS.UPDATE'],
    ['server requests', '$SYS.REQ.SERVER.PING'],
  ])('%s', async (_, subject) => {
    expect(await mayPublish(agent, subject)).toBe(false);
  });
});

describe('an agent may subscribe', () => {
  test.each([
    ['its inbox', '_INBOX.a1.>'],
    ['its commands', commandSubjects.all('a1')],
    ['its view', liveViewSubject(hash, 'kube_cluster')],
  ])('to %s', async (_, subject) => {
    expect(await maySubscribe(agent, subject)).toBe(true);
  });
});

describe('an agent may not subscribe', () => {
  test.each([
    ['everything', '>'],
    ['every inbox', '_INBOX.>'],
    ["another's inbox", '_INBOX.a2.>'],
    ["another's commands", commandSubjects.all('a2')],
    ['every command', 'cmd.>'],
    ['another view', liveViewSubject(otherHash, 'kube_cluster')],
    ['roles in its view', liveViewSubject(hash, 'role')],
    ['users in its view', liveViewSubject(hash, 'user')],
    ['tokens in its view', liveViewSubject(hash, 'token')],
    ['its view whatever is in it', `live.view.${hash}.>`],
    ['its view under a wildcard', `live.view.${hash}.*.x`],
    ['every view', 'live.view.>'],
    ['stored views', 'view.>'],
    ['events', 'evt.>'],
    ["others' heartbeats", 'agent.*.hb'],
    ["everybody's facts", 'agent.>'],
    ['JetStream advisories', '$JS.EVENT.>'],
    ['JetStream requests', '$JS.API.>'],
    ['system events', '$SYS.>'],
    ['wake-ups', 'wake.*'],
  ])('to %s', async (_, subject) => {
    expect(await maySubscribe(agent, subject)).toBe(false);
    expect(await maySubscribe(agent, subject, 'queue')).toBe(false);
  });
});

describe('an agent cannot have others publish for it', () => {
  const entry = { kind: 'role', id: 'keep', rev: 1, revision: 'r', resource: keptRole };
  const subjects = (['hb', 'served', 'bye', 'view.open', 'view.snap', 'fact.ClusterServed'] as const).map(
    (tail) => `agent.a1.${tail}`,
  );

  test.each(subjects)('by an answer to %s, nor by a trace of it', async (subject) => {
    await putViewEntry(service, otherHash, entry);
    const answering = service.subscribe(subject, {}, (message) => message.respond({ ok: true }));
    await service.flush();
    const manager = await service.connection.manager();
    const before = (await manager.streams.info('EVT_RESOURCE')).state.last_seq;
    const forged = [viewSubject(otherHash, 'role', 'keep'), 'evt.resource.00.role.keep.ResourceDeleted'];
    for (const reply of forged) {
      agent.publish(subject, '{}', { reply });
      const trace = natsHeaders();
      trace.set('Nats-Trace-Dest', reply);
      agent.publish(subject, '{}', { headers: trace });
    }
    // A question that is answered comes after whatever the others could have caused.
    await agent.request(subject, '{}');
    await putViewEntry(service, otherHash, { ...entry, id: 'last' });
    const { entries } = await readViewPage(service, otherHash, '');
    expect(entries.map(({ id }) => id)).toEqual(['keep', 'last']);
    expect((await manager.streams.info('EVT_RESOURCE')).state.last_seq).toBe(before);
    answering.unsubscribe();
  });
});

describe('an edge', () => {
  test.each([
    ['may ask for routes', 'inventory.routes', true],
    ['may send its heartbeat', agentSubjects.heartbeat('e1'), true],
    ['may not speak as an agent', agentSubjects.heartbeat('a1'), false],
    ['may ask an agent what it serves', commandSubjects.reportServed('a1'), true],
    ['may not command otherwise', 'cmd.a1.stop', false],
    ['may not write views', `view.${hash}.kube_cluster.x`, false],
  ])('%s', async (_, subject, allowed) => {
    expect(await mayPublish(edge, subject)).toBe(allowed);
  });
});

describe('an edge hears', () => {
  test.each([
    ['every report', 'agent.*.served', true],
    ['every heartbeat', 'agent.*.hb', true],
    ['no facts', 'agent.*.fact.>', false],
    ['no view requests', 'agent.*.view.open', false],
    ['no commands of others', 'cmd.>', false],
  ])('%s', async (_, subject, allowed) => {
    expect(await maySubscribe(edge, subject)).toBe(allowed);
  });
});

describe('a service', () => {
  test.each([
    ['may publish events', 'evt.join.00.agent.a1.AgentJoined', true],
    ['may fill views', `view.${hash}.kube_cluster.x`, true],
    ['may make its stream', '$JS.API.STREAM.UPDATE.EVT_JOIN', true],
    ['may not speak as an agent', agentSubjects.heartbeat('a1'), false],
    ['may not write to inboxes unasked', '_INBOX.a1.x', false],
    ['may not purge', '$JS.API.STREAM.PURGE.EVT_JOIN', false],
    ['may not delete streams', '$JS.API.STREAM.DELETE.EVT_JOIN', false],
    ['may not delete messages', '$JS.API.STREAM.MSG.DELETE.EVT_JOIN', false],
    ['may not restore', '$JS.API.STREAM.RESTORE.EVT_JOIN', false],
    ['may not make other streams', '$JS.API.STREAM.CREATE.OTHER', false],
    ['may not ask the system account', '$SYS.REQ.CLAIMS.UPDATE', false],
  ])('%s', async (_, subject, allowed) => {
    expect(await mayPublish(control, subject)).toBe(allowed);
  });
});

describe('credentials', () => {
  const connectAs = (creds: { seed: string; jwt: string }) =>
    connectBus({ servers: nats.url, name: 'x', creds, inboxPrefix: inboxPrefix('a1'), patienceMs: 0 });

  test('let an agent use the bus as it should', async () => {
    service.subscribe(agentSubjects.openView('a1'), { queue: 'resource' }, (message) =>
      message.respond({ subject: message.subject }),
    );
    await service.flush();
    service.subscribe(agentSubjects.fact('a1', 'ClusterServed'), { queue: 'inventory' }, (message) =>
      message.respond({ stream: 'inventory', seq: 0 }),
    );
    await service.flush();
    await using bus = await connectAs(credentials(['Kube'], 'a1'));
    const ack = await bus.publishDurable(
      agentSubjects.fact('a1', 'ClusterServed'),
      { a: 1 },
      { msgId: 'f1' },
    );
    expect(ack).toEqual({ stream: 'inventory', sequence: 0, duplicate: false });
    expect(await bus.request(agentSubjects.openView('a1'), {})).toEqual({ subject: 'agent.a1.view.open' });
    await expect(bus.request(agentSubjects.openView('a2'), {})).rejects.toMatchObject({
      code: 'bus.forbidden',
    });
  });

  test('that leave out a view keep it from being read, and do not make the agent ask in haste', async () => {
    let requests = 0;
    for (const subject of [agentSubjects.openView('viewer'), agentSubjects.snapshot('viewer')]) {
      service.subscribe(subject, {}, (message) => {
        requests += 1;
        message.respond({ ok: true, hash: otherHash, entries: [], next: '' });
      });
    }
    await service.flush();
    const creds = credentials(['Kube'], 'viewer');
    await using bus = await connectBus({
      servers: nats.url,
      name: 'v',
      creds,
      inboxPrefix: inboxPrefix('viewer'),
    });
    await using allowed = openView(bus, { agentId: 'viewer', selector: everything('kube_cluster') });
    await using forbidden = openView(bus, { agentId: 'viewer', selector: everything('role') });
    let isReady = false;
    void forbidden.ready.then(() => (isReady = true));
    await allowed.ready;
    const before = requests;
    await delay(500);
    expect([isReady, requests - before]).toEqual([false, 0]);
  });

  test('of an odd agent id give no more than its own subjects', async () => {
    const bus = await raw(['Kube'], '*');
    expect(await mayPublish(bus, agentSubjects.heartbeat('*'))).toBe(true);
    expect(await mayPublish(bus, 'agent.a1.hb')).toBe(false);
    await bus.close();
  });

  test('without the seed are refused', async () => {
    const stolen = { jwt: credentials(['Kube'], 'a1').jwt, seed: createUserKey().seed };
    await expect(connectAs(stolen)).rejects.toMatchObject({ code: 'bus.unauthenticated' });
  });

  test('signed by another account are refused', async () => {
    const { accountSeed } = createOperatorConfig();
    const key = createUserKey();
    const expires = new Date(Date.now() + 60_000);
    const permissions = permissionsOf(['Auth'], 'x', []);
    const jwt = userJwt({ accountSeed, userPublicKey: key.publicKey, name: 'x', expires, ...permissions });
    await expect(connectAs({ seed: key.seed, jwt })).rejects.toMatchObject({ code: 'bus.unauthenticated' });
  });

  test('that expired are refused', async () => {
    const old = credentials(['Kube'], 'a1', new Date(Date.now() - 1000));
    await expect(connectAs(old)).rejects.toMatchObject({ code: 'bus.unauthenticated' });
  });

  test('that expire while connected are replaced by renewed ones', async () => {
    let asked = 0;
    const soon = credentials(['Kube'], 'a1', new Date(Date.now() + 1500));
    const later = credentials(['Kube'], 'a1');
    await using bus = await connectBus({
      servers: nats.url,
      name: 'renewing',
      inboxPrefix: inboxPrefix('a1'),
      creds: () => ((asked += 1) === 1 ? soon : later),
    });
    let reconnections = 0;
    bus.onReconnect(() => void (reconnections += 1));
    await until('it was reconnected', () => reconnections > 0);
    expect(await bus.request(agentSubjects.openView('a1'), {})).toEqual({ subject: 'agent.a1.view.open' });
  });
});
