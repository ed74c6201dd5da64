import { type Role, roleKind, type RoleVersion } from '@postern/contracts';
import type { KubeAccessRequest } from './decide-access.ts';
import type { AccessCluster, AccessUser, KubeAttributes } from './types.ts';

/** A role as it is stored: written, then normalised. For tests. */
export function role(
  name: string,
  version: RoleVersion,
  spec: { allow?: unknown; deny?: unknown; options?: unknown },
): Role {
  const doc = { kind: 'role', version, metadata: { name }, spec };
  return roleKind.normalize(doc, { now: new Date(0) });
}

/** A role for every cluster with one group. For tests. */
export function groupRole(name: string, version: RoleVersion, allow: object, deny: object = {}): Role {
  return role(name, version, {
    allow: { kubernetes_labels: { '*': '*' }, kubernetes_groups: ['viewers'], ...allow },
    deny,
  });
}

/** A rule of version v8 for everything, where it does not say otherwise. For tests. */
export function rule(part: Record<string, unknown> = {}): Record<string, unknown> {
  return { kind: '*', api_group: '*', namespace: '*', name: '*', verbs: ['*'], ...part };
}

/** A request for a pod, where it does not say otherwise. For tests. */
export function attributes(part: Partial<KubeAttributes> = {}): KubeAttributes {
  return {
    isResourceRequest: true,
    verb: 'get',
    apiGroup: '',
    apiVersion: 'v1',
    resource: 'pods',
    subresource: '',
    namespace: 'dev',
    name: '',
    path: '',
    watch: part.verb === 'watch',
    ...part,
  };
}

/** `get pods dev/web-1`, `list deployments.apps dev/`, `list nodes`: verb, resource[/subresource][.group], namespace/name. */
export function parseRequest(text: string): KubeAttributes {
  const [verb = '', type = '', object = ''] = text.split(' ');
  const [full = '', ...group] = type.split('.');
  const [resource = '', subresource = ''] = full.split('/');
  const slash = object.indexOf('/');
  const namespace = slash < 0 ? '' : object.slice(0, slash);
  const name = object.slice(slash + 1);
  return attributes({ verb, resource, subresource, apiGroup: group.join('.'), namespace, name });
}

export const alice: AccessUser = { name: 'alice', traits: {} };
export const cluster: AccessCluster = { name: 'c1', labels: { env: 'dev' } };

/** An access request of alice to cluster c1. For tests. */
export function access(
  roles: readonly Role[],
  request: string | KubeAttributes,
  part: Partial<KubeAccessRequest> = {},
): KubeAccessRequest {
  return {
    user: alice,
    roles,
    cluster,
    request: typeof request === 'string' ? parseRequest(request) : request,
    ...part,
  };
}
