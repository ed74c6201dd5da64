import type { KubeAttributes } from './types.ts';

const segment = '[A-Za-z0-9][A-Za-z0-9.-]*';

// kubectl needs these before it can do anything, and they tell about the API server and not about what is stored in it.
const open = new RegExp(
  `^(?:/api(?:/${segment})?|/apis(?:/${segment}){0,2}|/version|/openapi(?:/[^?#]*)?|/(?:healthz|livez|readyz)(?:/${segment})*)/?$`,
);

/** Whether a path that is not a resource is open to whoever may reach the cluster: discovery, version, OpenAPI, health. */
export function isOpenPath({ verb, path }: Pick<KubeAttributes, 'verb' | 'path'>): boolean {
  return (verb === 'get' || verb === 'head') && open.test(path);
}

const selfReviews = new Set([
  'authorization.k8s.io/selfsubjectaccessreviews',
  'authorization.k8s.io/selfsubjectrulesreviews',
  'authentication.k8s.io/selfsubjectreviews',
]);

/** Whether a request only asks about the asker. `kubectl auth can-i` and `whoami` must answer also those who may do little. */
export function isSelfReview({ apiGroup, resource, subresource, verb }: KubeAttributes): boolean {
  return verb === 'create' && subresource === '' && selfReviews.has(`${apiGroup}/${resource}`);
}
