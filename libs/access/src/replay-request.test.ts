import type { Role } from '@postern/contracts';
import { describe, expect, test } from 'vitest';
import { decideKubeAccess } from './decide-access.ts';
import { type RecordedRequest, replayRequest } from './replay-request.ts';
import { access, alice, cluster, groupRole, parseRequest, rule } from './testing.ts';

const viewer = groupRole('viewer', 'v8', {
  kubernetes_resources: [rule({ namespace: 'dev', verbs: ['get', 'list'] })],
});
const careful = groupRole('careful', 'v8', {}, { kubernetes_resources: [rule({ kind: 'secrets' })] });

/** What an edge records of a request that it decides by these roles. */
function recordOf(
  text: string,
  roles: readonly Role[],
  changes: Partial<RecordedRequest> = {},
): RecordedRequest {
  const request = parseRequest(text);
  const decision = decideKubeAccess(access(roles, request));
  return {
    requestId: 'r',
    auditId: '',
    user: 'alice',
    session: '',
    cluster: cluster.name,
    clusterLabels: { ...cluster.labels },
    decision: decision.allowed ? 'allow' : 'deny',
    reason: decision.allowed ? '' : decision.code,
    roles: [...(decision.allowed ? decision.roles : decision.rolesConsidered)],
    method: 'GET',
    path: '',
    verb: request.verb,
    apiGroup: request.apiGroup,
    apiVersion: 'v1',
    resource: request.resource,
    subresource: request.subresource,
    namespace: request.namespace,
    name: request.name,
    impersonate: { users: [], groups: [] },
    kubeUser: decision.allowed ? decision.kubeUser : '',
    kubeGroups: decision.allowed ? [...decision.kubeGroups] : [],
    status: 200,
    outcome: 'known',
    isStream: false,
    bytesIn: 0,
    bytesOut: 0,
    userAgent: '',
    durationMs: 1,
    policyRevision: '00000000000000f0',
    edge: 'e',
    sourceIp: '',
    ...changes,
  };
}

const replay = (recorded: RecordedRequest, roles: readonly Role[]) =>
  replayRequest(recorded, { user: alice, roles });

describe('a recorded request, decided again', () => {
  test.each([
    'get pods dev/x',
    'list pods dev/',
    'get pods prod/x',
    'delete pods dev/x',
    'get secrets dev/x',
    'get nodes n1',
  ])('by the same roles ends the same: %s', (text) => {
    for (const roles of [[viewer], [viewer, careful], []])
      expect(replay(recordOf(text, roles), roles)?.differences).toEqual([]);
  });

  test('by other roles says what is different', () => {
    const admin = groupRole('admin', 'v8', { kubernetes_groups: ['admins'] });
    const allowed = recordOf('get pods dev/x', [viewer]);
    expect(replay(allowed, [])).toMatchObject({ outcome: 'deny', differences: ['decision'] });
    expect(replay(allowed, [admin])?.differences).toEqual(['kubeGroups', 'roles']);
    const denied = recordOf('get secrets prod/x', [viewer]);
    expect(replay(denied, [viewer, careful])).toMatchObject({
      code: 'access.resource_denied',
      differences: ['reason'],
    });
  });

  test('that an older edge recorded without roles is not different for that', () => {
    const { clusterLabels: _, ...older } = recordOf('get pods dev/x', [viewer], { roles: [] });
    expect(replay(older, [viewer])).toBeUndefined();
    const policy = { user: alice, roles: [viewer], clusterLabels: cluster.labels };
    expect(replayRequest(older, policy)?.differences).toEqual([]);
  });

  test.each(['kube.cluster_not_found', 'kube.policy_too_old', 'kube.certificate_expired', 'constructor'])(
    'is none where it was refused for %s before roles were asked',
    (reason) => {
      expect(replay(recordOf('get pods dev/x', [], { decision: 'deny', reason }), [viewer])).toBeUndefined();
    },
  );

  test('that could not be read as a request is none', () => {
    expect(replay(recordOf('get pods dev/x', [viewer], { verb: '' }), [viewer])).toBeUndefined();
  });
});
