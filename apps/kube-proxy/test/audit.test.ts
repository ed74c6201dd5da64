import { replayRequest } from '@postern/access';
import { type DataOf, KubeRequestAudited } from '@postern/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { okJson } from './support/echo-api-server.ts';
import { at, echoKubeconfig, everythingAllowed, raw, startEchoRig, until } from './support/rig.ts';

type EchoRig = Awaited<ReturnType<typeof startEchoRig>>;
type Recorded = DataOf<typeof KubeRequestAudited>;

let rig: EchoRig;
let number = 0;

beforeAll(async () => {
  rig = await startEchoRig({ shape: 'split' });
  rig.echo.respond = okJson({ kind: 'Status' });
});
afterAll(() => rig[Symbol.asyncDispose]());

interface Sent {
  readonly method?: string;
  readonly path: string;
  readonly headers?: string;
  readonly body?: string;
  readonly cluster?: string;
}

/** Sends a request as a new user with one role; answers what came back and what was recorded. */
async function send(
  allow: Record<string, unknown>,
  deny: Record<string, unknown>,
  { method = 'GET', path, headers = '', body, cluster = 'c1' }: Sent,
) {
  const name = `user-${(number += 1)}`;
  rig.role(name, {
    allow: { kubernetes_labels: { '*': '*' }, kubernetes_groups: ['g', 'h'], ...allow },
    deny,
  });
  rig.user(name, [name]);
  const length =
    body === undefined
      ? ''
      : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
  const kind = headers.includes('Content-Type') ? length.replace(/^.*\r\n/, '') : length;
  const head = `${method} ${at(cluster, path)} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n${kind}${headers}\r\n`;
  const answer = await raw(rig, await rig.pki.person(name), head + (body ?? ''), 300);
  const fact = () =>
    rig.bus.facts.find(({ type, data }) => type === KubeRequestAudited.type && data['user'] === name);
  await until(() => fact() !== undefined, 'the request is recorded');
  const recorded = KubeRequestAudited.read(fact() as never);
  return { answer, recorded, policy: rig.policyOf(name) };
}

const rule = (part: object = {}) => ({
  kind: '*',
  api_group: '*',
  namespace: '*',
  name: '*',
  verbs: ['*'],
  ...part,
});
const only = (part: object) => ({ kubernetes_resources: [rule(part)] });
const pods = '/api/v1/namespaces/dev/pods';
const object = (metadata: object) => JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata });
const applied = {
  method: 'PATCH',
  path: `${pods}/x?fieldManager=m`,
  headers: 'Content-Type: application/apply-patch+yaml\r\n',
  body: '{}',
};

describe('the record of a request', () => {
  const rows: [string, Record<string, unknown>, Record<string, unknown>, Sent, Partial<Recorded>][] = [
    [
      'that is allowed',
      everythingAllowed,
      {},
      { path: `${pods}/x` },
      { decision: 'allow', kubeGroups: ['g', 'h', 'system:authenticated'] },
    ],
    [
      'of a list that is shown in part',
      only({ name: 'web-*' }),
      {},
      { path: pods },
      { decision: 'allow', verb: 'list' },
    ],
    [
      'that no rule allows',
      only({ kind: 'secrets' }),
      {},
      { path: `${pods}/x` },
      { reason: 'access.resource_not_allowed' },
    ],
    [
      'whose verb is missing',
      only({ verbs: ['list'] }),
      {},
      { path: `${pods}/x` },
      { reason: 'access.verb_not_allowed' },
    ],
    [
      'that a rule denies',
      everythingAllowed,
      only({ kind: 'pods' }),
      { path: `${pods}/x` },
      { reason: 'access.resource_denied' },
    ],
    [
      'to a cluster that is not selected',
      { kubernetes_labels: { env: 'other' } },
      {},
      { path: `${pods}/x` },
      { reason: 'access.labels_do_not_match' },
    ],
    [
      'of somebody who gets no group',
      { ...everythingAllowed, kubernetes_groups: [] },
      {},
      { path: `${pods}/x` },
      { reason: 'access.no_principals', status: 404 },
    ],
    [
      'that asked to be somebody else',
      everythingAllowed,
      {},
      { path: `${pods}/x`, headers: 'Impersonate-Group: h\r\nImpersonate-User: root\r\n' },
      { reason: 'access.impersonation_refused', impersonate: { users: ['root'], groups: ['h'] } },
    ],
    [
      'that asked for one of its groups',
      everythingAllowed,
      {},
      { path: `${pods}/x`, headers: 'Impersonate-User: \r\nImpersonate-Group: h\r\n' },
      { kubeGroups: ['h'], impersonate: { users: [], groups: ['h'] } },
    ],
    [
      'that creates what its name does not allow',
      only({ kind: 'pods', name: 'own-*' }),
      {},
      { method: 'POST', path: pods, body: object({ name: 'other' }) },
      { decision: 'deny', name: '', decided: { verb: 'create', name: 'other' } },
    ],
    [
      'that creates what its name allows',
      only({ kind: 'pods', name: 'own-*' }),
      {},
      { method: 'POST', path: pods, body: object({ name: 'own-1' }) },
      { decision: 'allow', decided: { verb: 'create', name: 'own-1' } },
    ],
    [
      'that applies and may not create',
      only({ verbs: ['patch'] }),
      {},
      applied,
      { decision: 'deny', verb: 'patch', decided: { verb: 'create', name: 'x' } },
    ],
    ['that applies and may', everythingAllowed, {}, applied, { decision: 'allow', verb: 'patch' }],
    [
      'that puts what it may not create',
      only({ verbs: ['update'] }),
      {},
      { method: 'PUT', path: `${pods}/x`, body: object({ name: 'x' }) },
      { reason: 'kube.update_may_create', kubeUser: '', kubeGroups: [] },
    ],
    [
      'that deletes a collection of which it may delete some',
      only({ kind: 'pods', name: 'web-*' }),
      {},
      { method: 'DELETE', path: pods },
      { reason: 'kube.deletecollection_limited', kubeGroups: [] },
    ],
    [
      'for metrics',
      only({ verbs: ['get'] }),
      {},
      { path: '/metrics' },
      { reason: 'access.path_not_allowed' },
    ],
    ['for all of it', everythingAllowed, {}, { path: '/metrics' }, { decision: 'allow' }],
  ];
  test.each(rows)(
    '%s holds what is needed to decide it again',
    async (_, ...[allow, deny, sent, expected]) => {
      const { answer, recorded, policy } = await send(allow, deny, sent);
      expect(recorded).toMatchObject({ ...expected, clusterLabels: {}, roles: [recorded.user] });
      expect(recorded.policyRevision).not.toBe('');
      const replay = replayRequest(recorded, policy);
      expect(replay?.outcome).toBe(recorded.decision);
      expect(replay?.differences).toEqual([]);
      expect(answer.toLowerCase()).toContain(`postern-request-id: ${recorded.requestId}`);
      expect(answer.includes(`tctl why ${recorded.requestId}`)).toBe(recorded.decision === 'deny');
    },
  );

  test('has the labels by which the cluster was selected, and the policy (A-09)', async () => {
    await rig.cluster('labelled', echoKubeconfig(rig.echo), { env: 'prod' });
    const byLabel = { ...everythingAllowed, kubernetes_labels: { env: 'prod' } };
    const { recorded, policy } = await send(byLabel, {}, { path: `${pods}/x`, cluster: 'labelled' });
    expect(recorded.clusterLabels).toEqual({ env: 'prod' });
    expect(replayRequest(recorded, policy)?.differences).toEqual([]);
    expect(replayRequest(recorded, { ...policy, clusterLabels: { env: 'dev' } })?.differences).toEqual([
      'decision',
    ]);
  });

  test('that was refused before roles were asked has no decision, and cannot be decided again', async () => {
    const { answer, recorded, policy } = await send(
      everythingAllowed,
      {},
      { path: `${pods}/x`, cluster: 'nowhere' },
    );
    expect(recorded).toMatchObject({ reason: 'kube.cluster_not_found', policyRevision: '', roles: [] });
    expect(recorded).not.toHaveProperty('clusterLabels');
    expect(replayRequest(recorded, { ...policy, clusterLabels: {} })).toBeUndefined();
    expect(answer).not.toContain('tctl why');
  });

  test('stays small enough to be recorded, however much a client asks to be', async () => {
    const headers = Array.from(
      { length: 60 },
      (_, at) => `Impersonate-Group: ${'g'.repeat(800)}${at}\r\n`,
    ).join('');
    const asked = { path: `${pods}/x`, headers: `Impersonate-User: \r\n${headers}` };
    const { recorded } = await send(everythingAllowed, {}, asked);
    expect(recorded.reason).toBe('access.impersonation_refused');
    expect(recorded.impersonate.groups).toHaveLength(50);
    expect(JSON.stringify(recorded).length).toBeLessThan(16 * 1024);
  });

  test('is named by an id that neither the client nor the cluster can choose', async () => {
    rig.echo.respond = okJson({ kind: 'Status' }, 'postern-request-id: from-the-cluster\r\n');
    const { answer, recorded } = await send(
      everythingAllowed,
      {},
      { path: `${pods}/x`, headers: 'Postern-Request-Id: mine\r\n' },
    );
    rig.echo.respond = okJson({ kind: 'Status' });
    const ids = [...answer.matchAll(/^postern-request-id: (.*)\r$/gim)].map(([, id]) => id);
    expect(ids).toEqual([recorded.requestId]);
  });
});
