import { setTimeout as delay } from 'node:timers/promises';
import { testNats, until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  allStreams,
  type Bus,
  type BusOperator,
  connectBus,
  createOperatorConfig,
  inboxPrefix,
  openBusOperator,
  operatorServerConfig,
} from '../src/index.ts';
import { readJwt } from '../src/jwt.ts';
import { credentialsFor } from './support/bus-users.ts';

const secrets = createOperatorConfig();
const scope = new AsyncDisposableStack();
const hour = 3_600_000;
let nats: Awaited<ReturnType<typeof testNats>>;
let operator: BusOperator;

beforeAll(async () => {
  nats = scope.use(await testNats({ config: operatorServerConfig(secrets) }));
  operator = scope.use(await openBusOperator({ servers: nats.url, name: 'join-1', secrets }));
});
afterAll(() => scope.disposeAsync());

type Creds = ReturnType<typeof credentialsFor>;

const credsOf = (agentId: string, end = new Date(Date.now() + hour)) =>
  credentialsFor(secrets, { agentId, roles: ['Kube'] }, end);

function connectAs(creds: Creds, agentId = 'a1'): Promise<Bus> {
  return connectBus({
    servers: nats.url,
    name: agentId,
    creds,
    inboxPrefix: inboxPrefix(agentId),
    patienceMs: 0,
  });
}

const revoked = (...creds: Creds[]) =>
  new Map(creds.map(({ publicKey }) => [publicKey, new Date(Date.now() + hour)]));

describe('a revoked user', () => {
  test('is cut off within two seconds and not let in again, while others stay', async () => {
    const [bad, good] = [credsOf('a1'), credsOf('a2')];
    await using victim = await connectAs(bad);
    await using other = await connectAs(good, 'a2');
    let disturbances = 0;
    other.onReconnect(() => void (disturbances += 1));
    const began = performance.now();
    await operator.setRevoked(revoked(bad));
    await until('it was cut off', () => !victim.isConnected, { everyMs: 5 });
    expect(performance.now() - began).toBeLessThan(2000);
    await expect(connectAs(bad)).rejects.toMatchObject({ code: 'bus.unauthenticated' });
    await other.flush();
    expect([other.isConnected, disturbances]).toEqual([true, 0]);
  });

  test('is refused with what was signed for it at any time until its end', async () => {
    const later = { ...credsOf('a1') };
    await operator.setRevoked(revoked(later));
    // Signed in the same second or after it: the time of the revocation is not what counts.
    await expect(connectAs(later)).rejects.toMatchObject({ code: 'bus.unauthenticated' });
  });

  test('is still refused after the server was killed, by what the server itself remembers', async () => {
    const bad = credsOf('a1');
    await using forgetful = await openBusOperator({ servers: nats.url, name: 'join-2', secrets });
    await forgetful.setRevoked(revoked(bad));
    await nats.kill9();
    await nats.start();
    await expect(connectAs(bad)).rejects.toMatchObject({ code: 'bus.unauthenticated' });
  });

  test('is let in when it is revoked no more', async () => {
    const one = credsOf('a1');
    await using after = await openBusOperator({ servers: nats.url, name: 'join-3', secrets });
    await after.setRevoked(revoked(one));
    await after.setRevoked(new Map());
    await using bus = await connectAs(one);
    await bus.flush();
  });
});

describe('the operator', () => {
  test('changes nothing else of the account, and nothing at all when there is nothing new', async () => {
    await using own = await openBusOperator({ servers: nats.url, name: 'join-4', secrets });
    const service = { agentId: 's1', roles: ['Auth'], service: 'join-svc' } as const;
    await using bus = await connectBus({
      servers: nats.url,
      name: 's1',
      creds: credentialsFor(secrets, service),
      inboxPrefix: inboxPrefix('s1'),
    });
    const some = revoked(credsOf('a1'));
    for (let n = 0; n < 3; n += 1) await own.setRevoked(some);
    const { sub } = readJwt(secrets.accountJwt) as { readonly sub: string };
    const details = await fetch(`${nats.monitorUrl()}/accountz?acc=${sub}`);
    expect(await details.text()).toContain([...some.keys()][0]);
    // JetStream is among the limits of the account that is written anew.
    await bus.reconcileStreams(allStreams().filter(({ name }) => name === 'VIEW'));
  });

  test('is nobody with the keys of another', async () => {
    const foreign = { ...secrets, operatorSeed: createOperatorConfig().operatorSeed };
    await using other = await openBusOperator({ servers: nats.url, name: 'x', secrets: foreign });
    await expect(other.setRevoked(revoked(credsOf('a3')))).rejects.toMatchObject({
      code: 'bus.not_the_operator',
    });
    const stranger = { ...createOperatorConfig(), accountSeed: secrets.accountSeed };
    const refused = openBusOperator({ servers: nats.url, name: 'y', secrets: stranger, patienceMs: 0 });
    await expect(refused).rejects.toMatchObject({ code: 'bus.unauthenticated' });
  });

  test('writes of two replicas at once leave one of the two, whole', async () => {
    await using one = await openBusOperator({ servers: nats.url, name: 'join-6', secrets });
    await using two = await openBusOperator({ servers: nats.url, name: 'join-7', secrets });
    const [first, second] = [credsOf('a1'), credsOf('a2')];
    await Promise.allSettled([one.setRevoked(revoked(first)), two.setRevoked(revoked(second))]);
    await one.setRevoked(revoked(first, second));
    for (const creds of [first, second])
      await expect(connectAs(creds)).rejects.toMatchObject({ code: 'bus.unauthenticated' });
  });
});

describe('a renewed credential', () => {
  test('is taken into use before the old one ends, and nothing of ours is lost', async () => {
    const service = { agentId: 's1', roles: ['Auth'], service: 'inventory-svc' } as const;
    await using inventory = await connectBus({
      servers: nats.url,
      name: 's1',
      creds: credentialsFor(secrets, service),
      inboxPrefix: inboxPrefix('s1'),
    });
    const heard: number[] = [];
    inventory.subscribe('agent.*.hb', {}, (message) => void heard.push(message.json() as number));
    inventory.subscribe('agent.*.fact.ClusterServed', {}, (message) => message.respond(message.json()));
    await inventory.flush();
    let used = 0;
    await using agent = await connectBus({
      servers: nats.url,
      name: 'a1',
      inboxPrefix: inboxPrefix('a1'),
      creds: () => {
        used += 1;
        return credsOf('a1');
      },
    });
    const answers: Promise<unknown>[] = [];
    for (let round = 0; round < 3; round += 1) {
      const renewal = { isOver: false };
      const renewed = agent.renewCredentials().then(() => (renewal.isOver = true));
      while (!renewal.isOver) {
        agent.publish('agent.a1.hb', answers.length);
        answers.push(agent.request('agent.a1.fact.ClusterServed', answers.length));
        await delay(1);
      }
      await renewed;
    }
    const all = Array.from(answers.keys());
    expect(await Promise.all(answers)).toEqual(all);
    await until('every message was heard', () => heard.length >= all.length);
    expect(heard).toEqual(all);
    expect(used).toBe(4);
  });
});
