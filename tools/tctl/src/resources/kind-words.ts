/** How messages call a resource of a kind. */
const words: Readonly<Record<string, string>> = {
  kube_cluster: 'Kubernetes cluster',
  token: 'provision_token',
  discovery_config: 'discovery config',
  github: 'authentication connector',
  oidc: 'authentication connector',
  saml: 'authentication connector',
};

/** `Kubernetes cluster "prod"`, as every message names a resource. */
export function resourceWords(kind: string, name: string): string {
  return `${words[kind] ?? kind} "${name}"`;
}
