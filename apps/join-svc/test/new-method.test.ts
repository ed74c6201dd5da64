import { createHmac } from 'node:crypto';
import { openIdentity, provingMethods, type ProvingMethod } from '@postern/agent';
import { isPlainObject, sha256Hex, systemClock } from '@postern/core';
import { caPin } from '@postern/identity';
import { silentTelemetry } from '@postern/telemetry';
import { until } from '@postern/testkit';
import { Type } from 'typebox';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { joinMethods } from '../src/methods/index.ts';
import { type JoinMethod, joinMethod, ProofRefused } from '../src/methods/method.ts';
import {
  call,
  type ControlPlane,
  joinBody,
  putToken,
  recorded,
  type Replica,
  startControlPlane,
} from './control-plane.ts';

// The two halves of docs/how-to-add-a-join-method.md: a voucher that signs the challenge, and the name of a project, with a key.
const sign = (challenge: string, project: string) =>
  createHmac('sha256', 'key of the voucher').update(`${challenge}\n${project}`).digest('hex');
let whileVerifying = (): Promise<void> => Promise.resolve();

const verifying = joinMethod({
  name: 'gcp',
  hasChallenge: true,
  proof: Type.Object({ project: Type.String(), signature: Type.String() }, { additionalProperties: false }),
  verify: async (_, { token, challenge, proof: { project, signature } }) => {
    const rules = token.spec['gcp'];
    await whileVerifying();
    if (signature !== sign(challenge, project)) throw ProofRefused('the signature does not fit');
    if (!isPlainObject(rules) || rules['project'] !== project)
      throw ProofRefused(`project is not ${project}`);
    return { attributes: { gcp_project: project } };
  },
});

const proving: ProvingMethod = {
  name: 'gcp',
  hasChallenge: true,
  prove: ({ challenge, env }) => {
    const project = env['PROJECT'] ?? '';
    return Promise.resolve({ project, signature: sign(challenge, project) });
  },
};

// The lines that are added to the lists.
const methodsOfServer: readonly JoinMethod[] = [...joinMethods, verifying];
const methodsOfAgents: readonly ProvingMethod[] = [...provingMethods, proving];

let plane: ControlPlane;
let replica: Replica;

beforeAll(async () => {
  plane = await startControlPlane();
  await putToken(plane.views, 'project-token', spec('payments'));
  replica = await plane.replica({ joinMethods: methodsOfServer });
});
afterAll(() => plane[Symbol.asyncDispose]());

function spec(project: string) {
  return { roles: ['Kube'], join_method: 'gcp', gcp: { project } };
}

const open = (project: string) =>
  openIdentity({
    joinUrls: [replica.url],
    trust: { caPin: caPin(replica.ca) },
    token: 'project-token',
    method: 'gcp',
    methods: methodsOfAgents,
    env: { PROJECT: project },
    roles: ['Kube'],
    hostname: project,
    telemetry: silentTelemetry('agent'),
    clock: systemClock,
  });

const reasonsOf = async (hostname: string) =>
  (await recorded(replica))
    .filter(({ type, data }) => type === 'JoinRefused' && data['hostname'] === hostname)
    .map(({ data }) => data['reason']);

describe('a join method of one file and one line on each side', () => {
  test('lets an agent in, and what it proved is recorded', async () => {
    await using identity = await open('payments');
    const joined = (await recorded(replica)).find(({ stream }) => stream === `agent/${identity.agentId}`);
    expect(joined?.data).toMatchObject({ method: 'gcp', attributes: { gcp_project: 'payments' } });
  });

  test('refuses with a reason that only the record has', async () => {
    await expect(open('other')).rejects.toThrow('the join was refused');
    expect(await reasonsOf('other')).toEqual(['project is not other']);
  });

  test('takes a proof of its own form only, and none without a challenge', async () => {
    const body = { token: 'project-token', method: 'gcp', hostname: 'odd', proof: { project: 1 } };
    expect((await call(replica, '/v1/join', { body: await joinBody(body) })).status).toBe(403);
    expect(await reasonsOf('odd')).toEqual(['the proof answers to no challenge']);
  });

  test('is unknown to who was not told of it', async () => {
    const without = await plane.replica();
    const body = await joinBody({ token: 'project-token', method: 'gcp', hostname: 'early', proof: {} });
    await until('it knows tokens', async () => {
      const { status } = await call(without, '/v1/join', { body });
      return status === 403;
    });
    expect(await reasonsOf('early')).toEqual(['there is no join method gcp']);
  });
});

test.each([
  ['removed', 'the token is unknown', () => plane.views.put('token', sha256Hex('project-token'))],
  [
    'changed',
    'the token is for the method iam',
    () => putToken(plane.views, 'project-token', { roles: ['Kube'], join_method: 'iam' }),
  ],
])('a token that is %s while a proof is verified lets nobody in (J-17)', async (how, seen, change) => {
  await putToken(plane.views, 'project-token', spec('payments'));
  await until('the token is there', async () => (await whyNot()) === 'the token is for the method gcp');
  whileVerifying = async () => {
    await change();
    await until(`the token is ${how}`, async () => (await whyNot()) === seen);
  };
  const before = (await reasonsOf('payments')).length;
  await expect(open('payments')).rejects.toThrow('the join was refused');
  whileVerifying = () => Promise.resolve();
  expect((await reasonsOf('payments')).slice(before)).toEqual([
    'the token was changed, removed, locked or has expired while the proof was verified',
  ]);
});

/** Why somebody is not let in who comes with the token's name alone. */
async function whyNot(): Promise<unknown> {
  const hostname = crypto.randomUUID();
  const body = await joinBody({ token: 'project-token', method: 'magic', hostname });
  await call(replica, '/v1/join', { body });
  return (await reasonsOf(hostname))[0];
}
