import { duplexPair } from 'node:stream';
import { signGrant, spiffeId, type HeldIdentity } from '@postern/identity';
import { type AnswerHead, type OpenHead, Tunnel, type TunnelStream } from '@postern/tunnel';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Peer } from '../src/listen/peer.ts';
import { okJson } from './support/echo-api-server.ts';
import { clusterName, createPki } from './support/identities.ts';
import { startEchoRig } from './support/rig.ts';

interface Sketch {
  readonly cluster?: string;
  readonly agentId?: string;
  readonly at?: Date;
  readonly user?: string;
  readonly filterDigest?: string;
}

type EchoRig = Awaited<ReturnType<typeof startEchoRig>>;

describe('a request to an agent', () => {
  let rig: EchoRig;
  let edge: HeldIdentity;
  beforeAll(async () => {
    rig = await startEchoRig({ shape: 'split' });
    edge = await rig.pki.held('edge-9', ['Proxy']);
  });
  afterAll(() => rig[Symbol.asyncDispose]());
  beforeEach(() => {
    rig.echo.seen.length = 0;
    rig.echo.respond = okJson({ kind: 'PodList', items: [] });
  });

  const sub = spiffeId({ type: 'user', id: 'alice', clusterName });
  const grant = (
    signer = edge,
    { cluster = 'c1', agentId = 'agent-1', at = new Date(), user = sub, ...more }: Sketch = {},
  ) =>
    signGrant(
      signer.current(),
      {
        sub: user,
        session: 's',
        cluster,
        kubeUser: 'alice',
        kubeGroups: ['viewers'],
        policyRevision: '1',
        requestId: 'r',
        ...more,
      },
      { agentId, at },
    );

  /** A request as it comes to the agent through a tunnel, which this peer opened or passed on. */
  const send = async (
    peer: HeldIdentity | undefined,
    headers: Record<string, string> = {},
    path = '/kube/c1/api/v1/pods',
  ): Promise<{ status: number; text: string }> => {
    const [near, far] = duplexPair();
    const report = (error: unknown) => expect.unreachable(String(error));
    const accept = (stream: TunnelStream, head: OpenHead) => rig.kube.accept(stream, head, peerOf(peer));
    const agent = new Tunnel(near, { side: 'dialer', accept, report });
    const edgeEnd = new Tunnel(far, { side: 'listener', report });
    const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
    const chunks: Buffer[] = [];
    let status = 0;
    const events = {
      answer: (head: AnswerHead) => void (status = head.status),
      data: (chunk: Buffer) => void chunks.push(chunk),
      end: () => resolve({ status, text: Buffer.concat(chunks).toString() }),
      reset: reject,
      drain: () => undefined,
    };
    edgeEnd.open({ method: 'GET', path, headers: Object.entries(headers).flat() }, events).end();
    try {
      return await promise;
    } finally {
      await Promise.all([agent, edgeEnd].map((end) => end[Symbol.asyncDispose]()));
    }
  };

  const peerOf = (held: HeldIdentity | undefined): Peer => ({
    address: '',
    principal: held?.current().principal,
    verified: undefined,
    refusal: undefined,
  });

  test('with a grant that its edge signed is served as the granted user, whatever its headers say (H-02)', async () => {
    const { status } = await send(edge, {
      'postern-grant': await grant(),
      'impersonate-user': 'root',
      'impersonate-group': 'system:masters',
    });
    expect(status).toBe(200);
    const headers = rig.echo.seen[0]!.headers.filter(([name]) => name.startsWith('impersonate-'));
    expect(headers).toEqual([
      ['impersonate-user', 'alice'],
      ['impersonate-group', 'viewers'],
    ]);
  });

  test('without the filter that its grant names is refused (L-01)', async () => {
    const held = { 'postern-grant': await grant(edge, { filterDigest: 'q1w2e3' }) };
    expect((await send(edge, held)).status).toBe(401);
    expect((await send(edge, held, '/kube/c1/api/v1/namespaces/dev/pods/web-1')).status).toBe(401);
    expect(rig.echo.seen).toEqual([]);
  });

  test('with a grant that another edge signed is served: edges pass on for each other (H-02)', async () => {
    const token = await grant(await rig.pki.held('edge-7', ['Proxy']));
    expect((await send(edge, { 'postern-grant': token })).status).toBe(200);
  });

  test.each<
    [string, number, (rig: EchoRig) => Promise<[HeldIdentity | undefined, Record<string, string>, string?]>]
  >([
    ['without a certificate', 401, async () => [undefined, { 'postern-grant': await grant() }]],
    [
      'by another agent',
      403,
      async ({ pki }) => [await pki.held('agent-2', ['Kube']), { 'postern-grant': await grant() }],
    ],
    [
      'by a service that is no edge',
      403,
      async ({ pki }) => [await pki.held('auth', ['Auth']), { 'postern-grant': await grant() }],
    ],
    ['without a grant', 401, async () => [edge, {}]],
    ['with an empty grant', 401, async () => [edge, { 'postern-grant': '' }]],
    ['with nonsense for a grant', 401, async () => [edge, { 'postern-grant': 'a.b.c' }]],
    [
      'with a grant of an edge of another cluster',
      401,
      async () => [
        edge,
        { 'postern-grant': await grant(await (await createPki()).held('edge-9', ['Proxy'])) },
      ],
    ],
    [
      'with an expired grant',
      401,
      async () => [edge, { 'postern-grant': await grant(edge, { at: new Date(Date.now() - 120_000) }) }],
    ],
    [
      'with a grant from the future',
      401,
      async () => [edge, { 'postern-grant': await grant(edge, { at: new Date(Date.now() + 120_000) }) }],
    ],
    [
      'with a grant for another cluster (A-12)',
      403,
      async () => [edge, { 'postern-grant': await grant(edge, { cluster: 'c2' }) }],
    ],
    [
      'with a grant for another agent',
      401,
      async () => [edge, { 'postern-grant': await grant(edge, { agentId: 'agent-2' }) }],
    ],
    [
      'with a grant for nobody',
      401,
      async () => [
        edge,
        { 'postern-grant': await grant(edge, { user: spiffeId({ type: 'agent', id: 'a', clusterName }) }) },
      ],
    ],
    [
      'for a cluster it does not serve',
      404,
      async () => [edge, { 'postern-grant': await grant(edge, { cluster: 'c9' }) }, '/kube/c9/api/v1/pods'],
    ],
    [
      'with a path that is not canonical',
      400,
      async () => [edge, { 'postern-grant': await grant() }, '/kube/c1/api/v1/pods/%2e%2e/secrets'],
    ],
    [
      'outside of clusters',
      404,
      async () => [edge, { 'postern-grant': await grant() }, '/v1/teleport/x/y/api'],
    ],
  ])('%s is refused with %i (H-02)', async (_, status, make) => {
    const [held, headers, path] = await make(rig);
    const answer = await send(held, headers, path);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toMatchObject({ kind: 'Status', code: status });
    expect(rig.echo.seen).toHaveLength(0);
  });

  test('of an expired grant is refused although the same grant was verified before', async () => {
    const token = await signGrant(
      edge.current(),
      {
        sub,
        session: 's',
        cluster: 'c1',
        kubeUser: 'alice',
        kubeGroups: [],
        policyRevision: '1',
        requestId: 'r',
      },
      { agentId: 'agent-1', at: new Date(Date.now() - 59_000) },
    );
    expect((await send(edge, { 'postern-grant': token })).status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 6500));
    expect((await send(edge, { 'postern-grant': token })).status).toBe(401);
  });
});
