import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Role, roleKind } from '@postern/contracts';
import { uuidv7 } from '@postern/core';
import { type FakeControlPlane, fakeControlPlane, runToolHere, temporaryFolder } from '@postern/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { tctl } from '../src/commands/index.ts';

let plane: FakeControlPlane;
let identity: string;
const id = '01a1fc2f-6afd-711e-a7c4-e7a66d1f35b3';
const at = '2026-10-01T12:00:00.000Z';
const revision = '00000000000000f0';

beforeAll(async () => {
  plane = await fakeControlPlane();
  identity = await plane.identity('auditor');
});

afterAll(() => plane[Symbol.asyncDispose]());

beforeEach(() => {
  plane.requests.length = 0;
  plane.replies.clear();
  plane.clusters = [{ name: 'prod', labels: { env: 'prod' } }];
});

function run(...args: readonly string[]) {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'id.pem'), identity, { mode: 0o600 });
  return runToolHere(tctl, ['-i', join(folder, 'id.pem'), ...args], { cwd: folder });
}

function role(name: string, allow: object, deny: object = {}): Role {
  const spec = { allow: { kubernetes_labels: { '*': '*' }, kubernetes_groups: ['viewers'], ...allow }, deny };
  return roleKind.normalize({ kind: 'role', version: 'v8', metadata: { name }, spec }, { now: new Date(0) });
}

const rule = (kind: string, namespace: string, verbs: readonly string[] = ['*']) => ({
  kind,
  api_group: '',
  namespace,
  name: '*',
  verbs,
});

const pods = role('pods', {
  kubernetes_resources: [rule('configmaps', '*'), rule('pods', 'dev', ['get', 'list'])],
});
const careful = role('careful', { kubernetes_labels: {} }, { kubernetes_resources: [rule('pods', 'dev')] });

function policy(roles: readonly Role[], changes: Record<string, unknown> = {}) {
  return {
    revision,
    isExact: true,
    since: '2026-09-30T00:00:00.000Z',
    until: '2026-10-02T00:00:00.000Z',
    user: { name: 'alice', state: 'active', traits: {}, roles: roles.map(({ metadata }) => metadata.name) },
    roles: roles.map((each, index) => ({
      name: each.metadata.name,
      version: index + 1,
      revision: uuidv7(),
      at: '2026-09-01T00:00:00.000Z',
      actor: 'spiffe://example.test/user/mallory',
      role: each,
    })),
    ...changes,
  };
}

function recorded(changes: Record<string, unknown> = {}) {
  const request = {
    requestId: id,
    user: 'alice',
    session: 's',
    cluster: 'prod',
    clusterLabels: { env: 'prod' },
    decision: 'allow',
    reason: '',
    roles: ['pods'],
    method: 'GET',
    path: '/api/v1/namespaces/dev/pods/web',
    verb: 'get',
    apiGroup: '',
    apiVersion: 'v1',
    resource: 'pods',
    subresource: '',
    namespace: 'dev',
    name: 'web',
    impersonate: { users: [], groups: [] },
    kubeUser: 'alice',
    kubeGroups: ['viewers', 'system:authenticated'],
    status: 200,
    durationMs: 1,
    policyRevision: revision,
    edge: 'e',
    sourceIp: '203.0.113.9',
    ...changes,
  };
  return { at, request };
}

/** What the control plane knows: the record, the policy then, and the policy now. */
function know(record: ReturnType<typeof recorded>, then: object, now: object = then): void {
  plane.replies.set(`/v1/audit/requests/${record.request.requestId}`, record);
  plane.replies.set('/v1/history/policy', then);
  plane.replies.set('/v1/history/policy?user=alice&cluster=prod&session=s', now);
}

const denied = { decision: 'deny', status: 403, kubeUser: '', kubeGroups: [] };

describe('tctl why', () => {
  test('names the rule that allowed a request, its role and who wrote it', async () => {
    know(recorded(), policy([pods]));
    const { out, code } = await run('why', id);
    expect(code).toBe(0);
    expect(out).toContain('Asked    get pods "web" in namespace "dev"');
    expect(out).toContain('ALLOWED as user alice, groups viewers, system:authenticated; HTTP 200');
    expect(out).toContain(
      'Allowed by this rule:\n  role pods, spec.allow.kubernetes_resources[1]: kind pods,',
    );
    expect(out).toMatch(/^pods +selected +allow it +viewers +1 .*user\/mallory$/m);
    expect(out).toContain(`revision ${revision}, found exactly as recorded`);
    expect(out).toContain('Replay  agrees with what was recorded');
    expect(out).toContain('Today   the same request would end the same');
    const asked = plane.requests.map(({ path }) => path).filter((path) => path.includes('/policy'));
    expect(asked).toContain(
      `/v1/history/policy?user=alice&cluster=prod&session=s&at=${encodeURIComponent(at)}&revision=${revision}`,
    );
  });

  test('names the rule that denied it, in a role that does not even select the cluster', async () => {
    know(recorded({ ...denied, reason: 'access.resource_denied' }), policy([pods, careful]));
    const { out } = await run('why', id);
    expect(out).toContain(
      'Denied by this rule:\n  role careful, spec.deny.kubernetes_resources[0]: kind pods',
    );
    expect(out).toMatch(/^careful +not selected \(kubernetes_labels is empty/m);
    expect(out).toContain('agrees with what was recorded');
  });

  test('shows the rules that come closest where none allows it', async () => {
    know(
      recorded({ ...denied, reason: 'access.verb_not_allowed', verb: 'delete', roles: ['pods'] }),
      policy([pods]),
    );
    const { out } = await run('why', id);
    expect(out).toContain('No rule of any role allows it.\nWhat comes closest:\n  role pods');
    expect(out).toContain('verbs [get, list] — the verb is missing');
  });

  test('says that the same request would end otherwise today, and by which rule', async () => {
    know(recorded(), policy([pods]), policy([pods, careful], { revision: '00000000000000f1' }));
    const { out } = await run('why', id);
    expect(out).toContain('Replay  agrees with what was recorded');
    expect(out).toContain(
      'OTHERWISE: the same request would be denied (access.resource_denied), by role careful, spec.deny',
    );
  });

  test('decides today by the labels that the cluster has today', async () => {
    const byLabel = role('by-label', {
      kubernetes_labels: { env: 'prod' },
      kubernetes_resources: [rule('pods', '*')],
    });
    plane.clusters = [{ name: 'prod', labels: { env: 'test' } }];
    know(recorded({ roles: ['by-label'] }), policy([byLabel]));
    expect((await run('why', id)).out).toContain(
      'OTHERWISE: the same request would be denied (access.labels_do_not_match)',
    );
    plane.clusters = [];
    expect((await run('why', id)).out).toContain(
      'end the same, if the cluster still has the labels it had then',
    );
  });

  test('says so when the replay does not agree with the record', async () => {
    know(recorded({ roles: ['pods', 'more'], kubeGroups: ['admins'] }), policy([pods], { isExact: false }));
    const { out } = await run('why', id);
    expect(out).toContain(
      'DIFFERS from what was recorded in kubeGroups, roles: allowed as user alice, groups viewers',
    );
    expect(out).toContain(`revision ${revision} WAS NOT FOUND; the nearest by time is`);
  });

  test.each([
    ['absent', 'User alice did not exist.'],
    ['locked', 'User alice was locked, and had no roles for that.'],
    ['expired', 'User alice had expired at 2026-09-30T00:00:00.000Z, and had no roles for that.'],
  ])('says that a user who was %s had no roles', async (state, text) => {
    const user = { name: 'alice', state, traits: {}, roles: ['pods'], expires: '2026-09-30T00:00:00.000Z' };
    const now = policy([pods]);
    know(recorded({ ...denied, reason: 'access.labels_do_not_match', roles: [] }), policy([], { user }), now);
    const { out } = await run('why', id);
    expect(out).toContain(text);
    expect(out).toContain('agrees with what was recorded');
    expect(out).toContain('OTHERWISE: the same request would be allowed');
  });

  test('decides by the name in the body of a create, and by the create in an apply', async () => {
    const own = role('own', {
      kubernetes_resources: [{ ...rule('pods', 'dev', ['create']), name: 'own-*' }],
    });
    const create = { verb: 'create', name: '', decided: { verb: 'create', name: 'other' } };
    know(
      recorded({ ...denied, ...create, reason: 'access.resource_not_allowed', roles: ['own'] }),
      policy([own]),
    );
    const { out } = await run('why', id);
    expect(out).toContain('Decided on  create pods "other" in namespace "dev"');
    expect(out).toContain('— another name');
    expect(out).toContain('agrees with what was recorded');
  });

  test('agrees where the edge refused more than the roles did', async () => {
    const limited = role('limited', { kubernetes_resources: [{ ...rule('pods', 'dev'), name: 'web-*' }] });
    const some = {
      ...denied,
      reason: 'kube.deletecollection_limited',
      verb: 'deletecollection',
      name: '',
      roles: ['limited'],
    };
    know(recorded(some), policy([limited]));
    expect((await run('why', id)).out).toContain('agrees with what was recorded');
    const updating = role('updating', { kubernetes_resources: [rule('pods', 'dev', ['update'])] });
    know(
      recorded({ ...denied, reason: 'kube.update_may_create', verb: 'update', roles: ['updating'] }),
      policy([updating]),
    );
    expect((await run('why', id)).out).toContain('agrees with what was recorded');
  });

  test('takes whom the client asked to act as into account', async () => {
    const asked = { impersonate: { users: [], groups: ['system:masters'] } };
    know(recorded({ ...denied, ...asked, reason: 'access.impersonation_refused' }), policy([pods]));
    const { out } = await run('why', id);
    expect(out).toContain('Asked to be  group system:masters');
    expect(out).toContain('These roles give users (none), groups viewers');
    expect(out).toContain('agrees with what was recorded');
  });

  test.each([
    ['kube.cluster_not_found', 'because the edge knew no cluster of that name'],
    ['kube.policy_too_old', 'because the edge had not heard of roles and users'],
    ['kube.something_new', 'before roles were asked (kube.something_new)'],
  ])('does not decide again what ended with %s before anybody asked', async (reason, text) => {
    const { clusterLabels: _, ...request } = recorded({
      ...denied,
      reason,
      roles: [],
      policyRevision: '',
    }).request;
    know({ at, request } as never, policy([pods]));
    const { out } = await run('why', id);
    expect(out).toContain(text);
    expect(out).not.toContain('Allowed by');
    expect(out).toContain('no revision was recorded');
  });

  test('takes the labels of today for those that an older edge did not record, and says so', async () => {
    const { clusterLabels: _, ...request } = recorded({ roles: [] }).request;
    know({ at, request } as never, policy([pods]));
    expect((await run('why', id)).out).toContain(
      'agrees with what was recorded, taking the cluster’s labels of today',
    );
    plane.clusters = [];
    expect((await run('why', id)).out).toContain('not possible: the labels of the cluster were not recorded');
  });

  test('prints nothing that a terminal obeys, whatever clients and roles put there', async () => {
    const evil = 'x\u001B[2J\u202E\r\nOutcome  ALLOWED';
    know(
      recorded({ name: evil, user: evil, path: evil, impersonate: { users: [evil], groups: [] } }),
      policy([pods]),
    );
    const { out } = await run('why', id);
    expect(out).not.toMatch(/[\u001B\u202E\r]/);
    expect(out.split('\n').filter((line) => line.startsWith('Outcome'))).toHaveLength(1);
  });

  test('has the same for programs', async () => {
    know(recorded(), policy([pods]));
    const json = JSON.parse((await run('why', id, '--format=json')).out) as Record<string, unknown>;
    expect(json).toMatchObject({
      at,
      request: { requestId: id },
      replay: { outcome: 'allow', differences: [], explanation: { decidedBy: [{ role: 'pods', index: 1 }] } },
      today: { differs: false },
    });
    expect(parse((await run('why', id, '--format=yaml')).out)).toEqual(json);
  });

  test('waits a moment for a request that was made just now, and for no other', async () => {
    expect((await run('why', id)).err).toContain('no such request');
    const fresh = uuidv7();
    const running = run('why', fresh);
    await expect.poll(() => plane.requests.map(({ path }) => path)).toContain(`/v1/audit/requests/${fresh}`);
    know(recorded({ requestId: fresh }), policy([pods]));
    expect((await running).out).toContain(fresh);
  });

  test.each(['../resources/user/admin', 'a b', 'x'.repeat(65)])('asks for no id like %j', async (text) => {
    const { err, code } = await run('why', text);
    expect(code).not.toBe(0);
    expect(err).toContain('is no id of a request');
    expect(plane.requests).toEqual([]);
  });
});

describe('tctl audit ls', () => {
  const row = (number: number) => ({
    requestId: `r-${number}`,
    at,
    user: 'alice\u001B[31m',
    cluster: 'prod',
    decision: 'deny',
    reason: 'access.resource_denied',
    verb: 'create',
    apiGroup: '',
    resource: 'pods',
    subresource: 'exec',
    namespace: 'dev',
    name: 'web',
    status: 403,
    sourceIp: '203.0.113.9',
  });

  test('prints a line for each request, with the id for tctl why', async () => {
    plane.replies.set('/v1/audit/requests', { requests: [row(1)], next: '' });
    const { out } = await run('audit', 'ls');
    expect(out.split('\n')[2]).toBe(
      `${at} alice prod    deny     create pods/exec dev/web 403    access.resource_denied r-1`,
    );
  });

  test('asks for what it was told, page by page up to the limit', async () => {
    const query = 'user=alice&cluster=prod&decision=deny&since=2026-10-01T00%3A00%3A00.000Z';
    const page = (from: number, count: number) =>
      Array.from({ length: count }, (_, index) => row(from + index));
    plane.replies.set(`/v1/audit/requests?${query}&limit=1000`, { requests: page(0, 1000), next: 'a' });
    plane.replies.set(`/v1/audit/requests?${query}&limit=500&before=a`, {
      requests: page(1000, 500),
      next: 'b',
    });
    const flags = ['--user=alice', '--cluster=prod', '--decision=deny', '--since=2026-10-01', '--limit=1500'];
    const { out, err } = await run('audit', 'ls', ...flags, '--format=json');
    const ids = (JSON.parse(out) as { requestId: string }[]).map(({ requestId }) => requestId);
    expect(new Set(ids).size).toBe(1500);
    expect(err).toContain('There are older ones');
  });

  test.each([['--decision=maybe'], ['--limit=0'], ['--limit=many'], ['--since=soon'], ['--format=xml']])(
    'does not take %s',
    async (flag) => {
      const { code } = await run('audit', 'ls', flag);
      expect(code).not.toBe(0);
      expect(plane.requests).toEqual([]);
    },
  );
});
