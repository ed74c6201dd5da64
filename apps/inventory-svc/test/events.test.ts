import { request } from 'node:https';
import { type Bus, connectBus } from '@postern/bus';
import type { EventsPage, ParkedMessageDetail, ParkedMessagesReply } from '@postern/contracts';
import { uuidv7 } from '@postern/core';
import { assertionHeader, HeldIdentity, signAssertion } from '@postern/identity';
import { testNats, type TestNats, testPostgres, type TestPostgres, until } from '@postern/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Replica, startReplica, TestClusters, TestPolicy, TestTrust } from './support/inventory.ts';

let scope: AsyncDisposableStack;
let postgres: TestPostgres;
let nats: TestNats;
let trust: TestTrust;
let edge: HeldIdentity;
let identity: HeldIdentity;
let inventory: Replica;
let bus: Bus;
const policy = new TestPolicy();

beforeAll(async () => {
  scope = new AsyncDisposableStack();
  [postgres, nats] = await Promise.all([testPostgres(), testNats()]);
  scope.use(postgres);
  scope.use(nats);
  trust = await TestTrust.make();
  identity = new HeldIdentity(await trust.issue('svc', 'inventory-1', ['Auth']));
  edge = new HeldIdentity(await trust.issue('svc', 'edge-1', ['Proxy']));
  inventory = scope.use(await start());
  bus = scope.use(await connectBus({ servers: nats.url, name: 'edge-1' }));
  const rules = (verbs: string[]) => ({ allow: { rules: [{ resources: ['event'], verbs }] } });
  policy.role('auditor', rules(['list', 'read']));
  policy.role('operator', rules(['list', 'read', 'update', 'delete']));
  policy.role('updater', rules(['update']));
  policy.role('other', { allow: { rules: [{ resources: ['role', 'session'], verbs: ['*'] }] } });
  for (const name of ['auditor', 'operator', 'updater', 'other']) policy.user(name, name);
});

afterAll(() => scope.disposeAsync());

const start = () =>
  startReplica({
    postgresUrl: postgres.url,
    natsUrl: nats.url,
    identity,
    policy: policy.policy,
    clusters: new TestClusters(),
  });

interface Reply<Body> {
  readonly status: number;
  readonly body: Body;
}

/** A call as the edge forwards it. */
async function call<Body = Record<string, unknown>>(
  method: string,
  path: string,
  user = 'operator',
  port = inventory.port,
): Promise<Reply<Body>> {
  const { principal } = new HeldIdentity(await trust.issue('user', user)).current();
  const about = { principal, requestId: 'r', sourceIp: '203.0.113.1' };
  const { key, certificate: cert, hostCa: ca } = edge.current();
  const token = await signAssertion(edge.current(), about, { audience: 'inventory-svc', at: new Date() });
  const headers = { [assertionHeader]: token };
  const options = { host: '127.0.0.1', port, method, path, headers, key, cert, ca, agent: false };
  return new Promise((resolve, reject) => {
    request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        resolve({ status: response.statusCode ?? 0, body: (text === '' ? {} : JSON.parse(text)) as Body });
      });
    })
      .on('error', reject)
      .end();
  });
}

const root = '/v1/events/inventory';
let number = 0;
/** Publishes a fact of an edge, sound where nothing else is said. */
async function publish(changes: Record<string, unknown> = {}, data: Record<string, unknown> = {}) {
  number += 1;
  const texts = ['user', 'session', 'cluster', 'reason', 'method', 'path', 'verb', 'apiGroup', 'apiVersion'];
  const more = ['resource', 'subresource', 'namespace', 'name', 'kubeUser', 'policyRevision', 'sourceIp'];
  const whole = {
    ...Object.fromEntries([...texts, ...more].map((field) => [field, field])),
    requestId: `r${number}`,
    decision: 'allow',
    kubeGroups: [],
    status: 200,
    durationMs: 1,
    edge: 'edge-1',
    ...data,
  };
  const at = '2026-01-02T03:04:05.678Z';
  const fact = { id: `f${number}`, type: 'KubeRequestAudited', v: 1, at, data: whole, ...changes };
  await bus.publishDurable('agent.edge-1.fact.KubeRequestAudited', fact, { msgId: uuidv7() });
}

const parked = async () => (await call<ParkedMessagesReply>('GET', `${root}/parked`)).body.parked;
const page = async (query: string) => (await call<EventsPage>('GET', `${root}?${query}`)).body;
const now = async () => (await page('')).next;

describe('a message that holds what is no fact', () => {
  beforeEach(async () => {
    for (const { id } of await parked()) await call('DELETE', `${root}/parked/${id}?reason=cleanup`);
  });

  test('is parked, is shown with its body, and is recorded when it is dropped', async () => {
    await publish({}, { edge: 'edge-2', user: 'mallory' });
    await publish({}, { user: 'alice' });
    const [message] = await until('it is parked', async () => {
      const all = await parked();
      return all.length === 1 && all;
    });
    expect(message).toMatchObject({
      consumer: expect.stringMatching(/^inventory__facts/),
      stream: expect.stringMatching(/^FACT/),
      subject: expect.stringMatching(/^agent\.edge-1\.fact\.KubeRequestAudited/),
      code: 'inventory.fact_refused',
      error: expect.stringContaining('another_agent'),
      tries: 0,
    });
    const one = await call<ParkedMessageDetail>('GET', `${root}/parked/${message!.id}`);
    expect(one.body).toMatchObject({ encoding: 'text', isWhole: true });
    expect(JSON.parse(one.body.body)).toMatchObject({ data: { user: 'mallory' } });
    const from = await now();
    expect((await call('DELETE', `${root}/parked/${message!.id}?reason=a%20forgery`)).status).toBe(204);
    expect(await parked()).toEqual([]);
    const { events } = await page(`after=${from}&wait=10&type=ParkedMessageDropped`);
    expect(events).toMatchObject([
      {
        type: 'ParkedMessageDropped',
        actor: 'spiffe://postern/user/operator',
        data: { consumer: message!.consumer, reason: 'a forgery', code: 'inventory.fact_refused' },
      },
    ]);
    expect((await call('DELETE', `${root}/parked/${message!.id}?reason=again`)).status).toBe(404);
    expect((await call('GET', `${root}/parked/${message!.id}`)).status).toBe(404);
  });

  test('is tried again when somebody asks, and says why it failed again', async () => {
    await publish({ type: 'NobodyKnows' });
    const [message] = await until('it is parked', async () => {
      const all = await parked();
      return all.length === 1 && all;
    });
    expect((await call('POST', `${root}/parked/${message!.id}/retry`)).status).toBe(202);
    await until('it failed again', async () => (await parked())[0]?.tries === 1);
    expect((await call('POST', `${root}/parked/retry?consumer=${message!.consumer}`)).status).toBe(202);
    await until('it failed once more', async () => (await parked())[0]?.tries === 2);
    expect((await call('POST', `${root}/parked/${uuidv7()}/retry`)).status).toBe(404);
  });

  test('of a newer edge is parked as such, for the next version of this program', async () => {
    await publish({ v: 99 });
    await until('it is parked', async () => (await parked()).length === 1);
    expect((await parked())[0]).toMatchObject({ code: 'contracts.newer_event' });
  });

  test('can be listed by consumer', async () => {
    await publish({ v: 99 });
    await until('it is parked', async () => (await parked()).length === 1);
    const of = async (consumer: string) =>
      (await call<ParkedMessagesReply>('GET', `${root}/parked?consumer=${consumer}`)).body.parked.length;
    const { consumer } = (await parked())[0]!;
    expect([await of(consumer), await of('other')]).toEqual([1, 0]);
  });
});

describe('who may', () => {
  const id = uuidv7();
  const operations = [
    ['read events', 'GET', root, ['auditor', 'operator']],
    ['list parked messages', 'GET', `${root}/parked`, ['auditor', 'operator']],
    ['read a parked message', 'GET', `${root}/parked/${id}`, ['auditor', 'operator']],
    ['retry a message', 'POST', `${root}/parked/${id}/retry`, ['operator', 'updater']],
    ['retry those of a consumer', 'POST', `${root}/parked/retry?consumer=x`, ['operator', 'updater']],
    ['drop a message', 'DELETE', `${root}/parked/${id}?reason=r`, ['operator']],
  ] as const;

  test.each(operations)('%s is who has a rule for it', async (_, method, path, allowed) => {
    for (const user of ['auditor', 'operator', 'updater', 'other', 'unknown']) {
      const { status } = await call(method, path, user);
      const isAllowed = (allowed as readonly string[]).includes(user);
      expect([user, status === 403]).toEqual([user, !isAllowed]);
    }
  });

  test.each([
    ['an id that is a path', 'GET', `${root}/parked/..%2f..%2fx`],
    ['an id that is SQL', 'GET', `${root}/parked/'%20or%201=1--`],
    ['no reason', 'DELETE', `${root}/parked/${id}`],
    ['an empty reason', 'DELETE', `${root}/parked/${id}?reason=`],
    ['a place that is none', 'GET', `${root}?after=zzz`],
    ['a place beyond what numbers hold', 'GET', `${root}?after=1.99999999999999999999`],
    ['a time that is none', 'GET', `${root}?since=yesterday`],
    ['a wait that never ends', 'GET', `${root}?wait=86400`],
    ['a type that is a pattern', 'GET', `${root}?type=.*`],
    ['a subject with an empty part', 'GET', `${root}?subject=evt..x`],
    ['a field that there is not', 'GET', `${root}?stream=VIEW`],
    ['no consumer', 'POST', `${root}/parked/retry`],
  ])('%s is refused', async (_, method, path) => {
    const { status } = await call(method, path);
    expect([400, 404]).toContain(status);
  });
});

describe('the events', () => {
  test('come page by page from a place on, each once and in order, over a restart of every process', async () => {
    let place = await now();
    const got: number[] = [];
    const sequences: number[] = [];
    const read = async (port?: number) => {
      const { body } = await call<EventsPage>('GET', `${root}?after=${place}&wait=1`, 'auditor', port);
      place = body.next;
      got.push(...body.events.map(({ data }) => Number(data['status'])));
      sequences.push(...body.events.map(({ sequence }) => sequence));
    };
    for (let status = 0; status < 300; status += 1) await publish({}, { status });
    await until('the first are read', async () => {
      await read();
      return got.length >= 200;
    });
    await nats.kill9();
    await nats.start();
    await until('the bus is back', () => bus.isConnected && inventory.bus.isConnected);
    await using other = await start();
    for (let status = 300; status < 350; status += 1) await publish({}, { status });
    await until('all are read', async () => {
      await read(other.port);
      return got.length >= 350;
    });
    expect(got.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 350 }, (_, index) => index));
    expect(sequences).toEqual(sequences.map((_, index) => sequences[0]! + index));
  });

  test('begin at a time, and can be of one type or one subject', async () => {
    const since = new Date().toISOString();
    await publish({}, { user: 'sifted' });
    const recorded = await until('it is recorded', async () => {
      const { events } = await page(`since=${since}&type=KubeRequestAudited`);
      return events.find(({ data }) => data['user'] === 'sifted');
    });
    const ids = async (query: string) => (await page(`since=${since}&${query}`)).events.map(({ id }) => id);
    expect(await ids(`subject=${recorded.stream}`)).toEqual([recorded.id]);
    expect(await ids('subject=evt.inventory.*.kube_request.>')).toContain(recorded.id);
    expect(await ids('subject=evt.inventory.*.*.*.KubeRequestAudited')).toContain(recorded.id);
    expect(await ids('subject=evt.join.>')).toEqual([]);
    expect(await ids('type=AgentSeen')).toEqual([]);
    expect(await page(`since=${new Date(Date.now() + 60_000).toISOString()}`)).toMatchObject({ events: [] });
    expect((await page('since=2020-01-01T00:00:00Z')).events.length).toBeGreaterThan(0);
  });

  test('are waited for, and shown as soon as they are there', async () => {
    const waiting = page(`after=${await now()}&wait=20&type=KubeRequestAudited`);
    await publish({}, { user: 'awaited' });
    expect((await waiting).events).toMatchObject([{ data: { user: 'awaited' } }]);
    const empty = await page(`after=${await now()}&wait=1`);
    expect(empty).toMatchObject({ events: [], isCurrent: true });
  });

  test('that the log does not hold any more are refused, not left out', async () => {
    const old = await now();
    for (let index = 0; index < 3; index += 1) await publish();
    await until('they are in the log', async () => (await page(`after=${old}`)).events.length === 3);
    const manager = await bus.connection.manager();
    const { state } = await manager.streams.info('EVT_INVENTORY');
    await manager.streams.purge('EVT_INVENTORY', { seq: state.last_seq });
    const gone = await call('GET', `${root}?after=${old}`);
    expect(gone).toMatchObject({ status: 422, body: { code: 'bus.events_gone' } });
    expect((await call('GET', `${root}?since=2020-01-01T00:00:00Z`)).body).toMatchObject({
      code: 'bus.events_gone',
    });
    const [created, sequence] = (await now()).split('.');
    for (const place of [`${created}.${Number(sequence) + 1}`, `${Number(created) - 1}.${sequence}`])
      expect((await call('GET', `${root}?after=${place}`)).body).toMatchObject({ code: 'bus.events_gone' });
  });

  test('are waited for by a bounded number of people, and no longer than the service runs', async () => {
    const place = await now();
    const replica = await start();
    const from = performance.now();
    const waiting = Array.from({ length: 105 }, () =>
      call('GET', `${root}?after=${place}&wait=25&type=Nothing`, 'auditor', replica.port),
    );
    let refused = 0;
    for (const each of waiting) void each.then(({ status }) => (refused += status === 429 ? 1 : 0));
    await until('those that are too many are refused', () => refused === 5);
    await replica[Symbol.asyncDispose]();
    const statuses = (await Promise.all(waiting)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(100);
    expect(performance.now() - from).toBeLessThan(20_000);
  });
});
