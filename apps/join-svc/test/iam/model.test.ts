import type { IssuedIdentity } from '@postern/contracts';
import { keyFingerprint } from '@postern/identity';
import { type AwsRig, type IssuedKey, sessionOf, startAws, until } from '@postern/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  call,
  type ControlPlane,
  joinBody,
  type JoinBody,
  joiner,
  putToken,
  recorded,
  type Replica,
  type Reply,
  startControlPlane,
} from '../control-plane.ts';
import { digestOf, signedProof } from './signer.ts';

/** One joiner with what it keeps over its attempts. */
interface Joiner {
  readonly body: JoinBody;
  readonly key: string;
  readonly credentials: IssuedKey;
  readonly skewMs: number;
}

type Random = () => number;
type Sent = Promise<Reply<IssuedIdentity> | undefined>;

let plane: ControlPlane;
let aws: AwsRig;
let reader: Replica;

beforeAll(async () => {
  aws = await startAws();
  plane = await startControlPlane();
  const spec = { roles: ['Kube'], join_method: 'iam', allow: [{ aws_account: '333333333333' }] };
  await putToken(plane.views, 'iam-token', spec);
  // The authorities are made by the clock that is behind all others: they are valid by every clock.
  reader = await plane.replica({ clock: () => new Date(Date.now() - 2 * minuteMs) });
});
afterAll(async () => {
  await plane[Symbol.asyncDispose]();
  await aws[Symbol.asyncDispose]();
});

/** The same numbers for the same seed (mulberry32). */
function randomOf(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const minuteMs = 60_000;

/** Two replicas whose clocks differ, over a network that loses, repeats and delays what is sent; and somebody who listens. */
class World {
  readonly random: Random;
  readonly captured: object[] = [];
  readonly identities: IssuedIdentity[] = [];
  /** Who was refused and should not have been. */
  readonly wronged: string[] = [];
  readonly #replicas: Replica[] = [];
  readonly #late: (() => Promise<unknown>)[] = [];

  constructor(random: Random) {
    this.random = random;
  }

  async start(at: number): Promise<void> {
    const skewMs = (at === 0 ? 1 : -1) * Math.floor(this.random() * minuteMs);
    const clock = () => new Date(Date.now() + skewMs);
    const replica = await plane.replica({ stsEndpoint: aws.stsUrl, refusalAfterMs: 5, clock });
    const wake = { method: 'token', token: 'nobody-knows-this-token', hostname: 'waking' };
    await until('the replica knows the tokens', async () => {
      const body = await joinBody(wake);
      return (await call(replica, '/v1/join', { body })).status === 403;
    });
    this.#replicas[at] = replica;
  }

  /** A replica ends in the middle of whatever it does, and another one begins. */
  async restart(at: number): Promise<void> {
    await this.#replicas[at]![Symbol.asyncDispose]();
    await this.start(at);
  }

  /** The answer, unless the network or the replica swallowed it. */
  async send(path: string, body: object): Sent {
    const fate = this.random();
    if (fate < 0.15) return undefined;
    if (fate < 0.3) this.#late.push(() => this.#deliver(path, body));
    const copies = fate > 0.85 ? 2 : 1;
    const answers = await Promise.all(Array.from({ length: copies }, () => this.#deliver(path, body)));
    return this.random() < 0.3 ? undefined : answers[0];
  }

  async deliverLate(): Promise<void> {
    await Promise.all(this.#late.splice(0).map((deliver) => deliver()));
  }

  async #deliver(path: string, body: object): Sent {
    const replica = this.#replicas[this.random() < 0.5 ? 0 : 1]!;
    const reply = await call<IssuedIdentity>(replica, path, { body }).catch(() => undefined);
    if (path !== '/v1/join') return reply;
    this.captured.push(body);
    if (reply?.status === 200) this.identities.push(reply.body);
    return reply;
  }
}

async function newJoiner(seed: number, at: number, random: Random): Promise<Joiner> {
  const { csr, publicKey } = await joiner();
  const role = { arn: 'arn:aws:iam::333333333333:role/node', id: 'AROAEXAMPLEROLE00001' };
  return {
    body: await joinBody({ method: 'iam', token: 'iam-token', csr, hostname: `model-${seed}-${at}` }),
    key: keyFingerprint(publicKey),
    credentials: aws.accounts.issueKey(sessionOf(role, `i-${at}`), { isTemporary: true }),
    skewMs: Math.floor((random() - 0.5) * 6 * minuteMs),
  };
}

/** Tries with the same keys and join id until it is answered, as an agent does. */
async function joinUntilAnswered(
  world: World,
  { body, key, credentials, skewMs }: Joiner,
): Promise<IssuedIdentity> {
  const attempt = async () => {
    const issued = await world.send('/v1/join/challenge', { method: 'iam', key });
    if (issued?.status !== 200) return undefined;
    const { challenge } = issued.body as unknown as { challenge: string };
    const at = new Date(Date.now() + skewMs);
    const proof = { ...signedProof(credentials, { challenge, request: digestOf(body) }, { at }) };
    const reply = await world.send('/v1/join', { ...body, challenge, proof });
    if (reply?.status === 403) world.wronged.push(body.hostname);
    return reply?.status === 200 && reply.body;
  };
  return until(`${body.hostname} has joined`, attempt, { withinMs: 40_000 });
}

/** Sends what it heard under other join ids and with keys of its own. */
async function steal(world: World): Promise<void> {
  const { csr } = await joiner();
  const { csr: theirs } = await joiner();
  const heard = world.captured.slice(0, 6);
  await Promise.all(
    heard.flatMap((body) =>
      [{ joinId: crypto.randomUUID() }, { csr }, { csr: theirs, joinId: crypto.randomUUID() }].map((change) =>
        world.send('/v1/join', { ...body, hostname: 'thief', ...change }),
      ),
    ),
  );
}

test.each([1, 2, 3])(
  'joiners over a broken network all get one identity each, and nobody else gets any (schedule %i)',
  async (seed) => {
    const world = new World(randomOf(seed));
    await Promise.all([world.start(0), world.start(1)]);
    const joiners = await Promise.all(
      Array.from({ length: 6 }, (_, at) => newJoiner(seed, at, world.random)),
    );
    const joining = Promise.all(joiners.map((each) => joinUntilAnswered(world, each)));
    await until('something was heard', () => world.captured.length > 2);
    await Promise.all([steal(world), world.restart(seed % 2)]);
    const identities = await joining;
    await world.deliverLate();
    await steal(world);
    const events = (await recorded(reader)).filter(
      ({ type, data }) => type === 'AgentJoined' && (data['hostname'] as string).startsWith(`model-${seed}-`),
    );
    const ids = identities.map(({ agentId }) => agentId);
    expect(new Set(ids).size).toBe(joiners.length);
    expect(events).toHaveLength(ids.length);
    expect(new Set(events.map(({ data }) => data['agentId']))).toEqual(new Set(ids));
    expect(world.wronged).toEqual([]);
    // Every certificate that anybody got is of one of these.
    expect(world.identities.map(({ agentId }) => agentId).filter((id) => !ids.includes(id))).toEqual([]);
  },
);
