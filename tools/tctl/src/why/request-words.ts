/** The parts of a request that say what it was about. */
export interface RequestWords {
  readonly verb: string;
  readonly apiGroup: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
}

/** `pods`, `pods/exec`, `deployments.apps`: as kubectl writes it. */
export function typeText({
  resource,
  subresource,
  apiGroup,
}: Omit<RequestWords, 'verb' | 'namespace' | 'name'>): string {
  const type = apiGroup === '' ? resource : `${resource}.${apiGroup}`;
  return subresource === '' ? type : `${type}/${subresource}`;
}

/** `get pods "web" in namespace "dev"`. */
export function requestText(request: RequestWords & { readonly path: string }): string {
  const { verb, resource, namespace, name, path } = request;
  if (resource === '') return `${verb || 'request'} ${path}`;
  const object = name === '' ? '' : ` ${JSON.stringify(name)}`;
  const place = namespace === '' ? '' : ` in namespace ${JSON.stringify(namespace)}`;
  return `${verb} ${typeText(request)}${object}${place}`;
}
