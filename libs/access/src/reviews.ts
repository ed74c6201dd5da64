import { compilePolicy } from './compile-policy.ts';
import { decideScope, isListVerb, queryOf, refuse, refuseCluster, runAs } from './decide-access.ts';
import type { DecisionContext, KubeAccessRequest } from './decide-access.ts';
import type { KubeAttributes, KubeDeny } from './types.ts';

/** `spec.resourceAttributes` of a SelfSubjectAccessReview, as sent. */
export interface ReviewedResource {
  readonly namespace?: string;
  readonly verb?: string;
  readonly group?: string;
  readonly version?: string;
  readonly resource?: string;
  readonly subresource?: string;
  readonly name?: string;
}

/** `spec.nonResourceAttributes` of a SelfSubjectAccessReview, as sent. */
export interface ReviewedPath {
  readonly path?: string;
  readonly verb?: string;
}

/** What is asked about: a resource, or a path. */
export type ReviewedAttributes = { readonly resource: ReviewedResource } | { readonly path: ReviewedPath };

/**
 * The answer: the API server has the last word where Postern has nothing against it. It has to be asked as this user and these
 * groups, as whom the request itself would run: those of roles that do not allow it would make the API server say yes too.
 */
export type AccessReview =
  | { readonly allowed: true; readonly kubeUser: string; readonly kubeGroups: readonly string[] }
  | { readonly allowed: false; readonly denied: true; readonly reason: string; readonly decision: KubeDeny };

/**
 * Decides a SelfSubjectAccessReview by the very function that decides requests. One thing differs: a question without a name
 * ("may I get pods?") is about some name, as nobody asks about an object called "".
 */
export function reviewSelfSubjectAccess(
  access: Omit<KubeAccessRequest, 'request'>,
  asked: ReviewedAttributes,
): AccessReview {
  const policy = compilePolicy(access.user, access.roles);
  const onCluster = policy.on(access.cluster.labels);
  const request = attributesOf(asked);
  const context: DecisionContext = { policy, onCluster, request };
  const scope = refuseCluster(policy, onCluster, access.cluster) ?? decideReview(context);
  const decision = 'allowed' in scope ? scope : runAs(policy, onCluster, scope, access.impersonate ?? {});
  if (!decision.allowed) return { allowed: false, denied: true, reason: reasonOf(request), decision };
  return { allowed: true, kubeUser: decision.kubeUser, kubeGroups: decision.kubeGroups };
}

function decideReview(context: DecisionContext): ReturnType<typeof decideScope> {
  const { onCluster, request } = context;
  if (!request.isResourceRequest || request.name !== '' || isListVerb(request.verb))
    return decideScope(context);
  const query = queryOf(request);
  const scope = onCluster.listScope(query);
  if (scope.isDenied) return refuse(context, 'access.resource_denied', 'resource', 'A deny rule forbids it');
  // Without a namespace the question is about every namespace, which a rule for some of them does not answer with yes.
  const everywhere = (namespace: string) => namespace === '' || namespace === '*';
  const isCovered = (entries: readonly { readonly namespace: string }[]) =>
    query.namespace !== '' || entries.some((entry) => everywhere(entry.namespace));
  const roles = scope.roles.filter((role) => isCovered(role.allow.entries(query)));
  if (roles.length > 0) return { roles };
  return decideScope(context);
}

function attributesOf(asked: ReviewedAttributes): KubeAttributes {
  const resource = 'resource' in asked ? asked.resource : {};
  const path = 'path' in asked ? asked.path : {};
  const verb = resource.verb ?? path.verb ?? '';
  return {
    isResourceRequest: 'resource' in asked,
    verb,
    apiGroup: resource.group ?? '',
    apiVersion: resource.version ?? '',
    resource: resource.resource ?? '',
    subresource: resource.subresource ?? '',
    namespace: resource.namespace ?? '',
    name: resource.name ?? '',
    path: path.path ?? '',
    watch: verb === 'watch',
  };
}

function reasonOf({
  isResourceRequest,
  resource,
  namespace,
  name,
  apiGroup,
  verb,
  path,
}: KubeAttributes): string {
  if (!isResourceRequest) return `access to ${path} denied by Teleport`;
  const object = [namespace, name].filter((part) => part !== '').join('/');
  const sample = [
    'kubernetes_resources:',
    `- kind: ${JSON.stringify(resource)}`,
    `  api_group: ${JSON.stringify(apiGroup)}`,
    `  namespace: ${JSON.stringify(namespace || '*')}`,
    `  name: ${JSON.stringify(name || '*')}`,
    `  verbs: [${JSON.stringify(verb)}]`,
  ];
  return (
    `access to ${resource}${object === '' ? '' : ` ${object}`} denied by Teleport:` +
    ' please ensure that "kubernetes_resources" field in your Teleport role defines access to the desired resource.' +
    `\n\nExample for a role of version v8:\n${sample.join('\n')}`
  );
}
