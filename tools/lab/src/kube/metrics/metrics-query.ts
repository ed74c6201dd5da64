/** Where the API is. */
export const metricsGroup = 'metrics.k8s.io';
export const metricsVersion = 'v1beta1';
export const metricsPath = `/apis/${metricsGroup}/${metricsVersion}`;

/** What is asked for: figures of nodes or of pods, of one or of all. */
export interface MetricsQuery {
  readonly resource: 'nodes' | 'pods';
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  /** `labelSelector` and `fieldSelector`, which mean the nodes and pods themselves. */
  readonly selectors: string;
}

/** Reads the path and query of a request; undefined where nothing is there. */
export function readMetricsQuery({ pathname, searchParams }: URL): MetricsQuery | undefined {
  if (!pathname.startsWith(`${metricsPath}/`)) return undefined;
  const parts = pathname.slice(metricsPath.length + 1).split('/');
  const isNamespaced = parts[0] === 'namespaces';
  const [resource, name, ...rest] = isNamespaced ? parts.slice(2) : parts;
  const namespace = isNamespaced ? parts[1] : undefined;
  if (rest.length > 0 || name === '' || namespace === '') return undefined;
  const selectors = new URLSearchParams();
  for (const key of ['labelSelector', 'fieldSelector']) {
    const value = searchParams.get(key);
    if (value !== null) selectors.set(key, value);
  }
  const query = { namespace, name, selectors: selectors.toString() };
  if (resource === 'nodes' && !isNamespaced) return { resource, ...query };
  // Pods of all namespaces can be listed; one of them is named in its namespace only.
  if (resource === 'pods' && (isNamespaced || name === undefined)) return { resource, ...query };
  return undefined;
}
