import type { ApiServerCall } from './call-api-server.ts';
import { metricsGroup, type MetricsQuery, metricsVersion } from './metrics-query.ts';
import { type Answer, ok, refusal } from './status.ts';
import type { NodeUsage, NodeUsages } from './usage.ts';

const apiVersion = `${metricsGroup}/${metricsVersion}`;
/** Over how long a kubelet averages, about. */
const window = '10s';

interface Item {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly nodeName?: string };
}

/** Answers with the figures of this moment. Without figures there is nothing, however long the node or pod has been there. */
export async function readMetrics(
  call: ApiServerCall,
  nodes: NodeUsages,
  query: MetricsQuery,
): Promise<Answer> {
  const { resource, namespace, name, selectors } = query;
  const place = namespace ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  const { status, body } = await call(`/api/v1${place}/${resource}?${selectors}`);
  if (status !== 200) return { status, body: JSON.parse(body) as object };
  const found = (JSON.parse(body) as { items: readonly Item[] }).items;
  const wanted = found.filter(({ metadata }) => name === undefined || metadata.name === name);
  const usages = await usagesOf(nodes, wanted);
  const metrics = wanted.flatMap((item) => metricsOf(resource, item, usages));
  const kind = resource === 'nodes' ? 'NodeMetrics' : 'PodMetrics';
  if (name === undefined) return ok({ kind: `${kind}List`, apiVersion, metadata: {}, items: metrics });
  const [one] = metrics;
  if (!one) return refusal(404, 'NotFound', `${resource}.${metricsGroup} "${name}" not found`);
  return ok({ kind, apiVersion, ...one });
}

const nodeOf = ({ metadata, spec }: Item) => spec.nodeName ?? metadata.name;

async function usagesOf(
  usages: NodeUsages,
  items: readonly Item[],
): Promise<ReadonlyMap<string, NodeUsage | undefined>> {
  const nodes = [...new Set(items.map(nodeOf))];
  return new Map(await Promise.all(nodes.map(async (node) => [node, await usages.of(node)] as const)));
}

function metricsOf(
  resource: MetricsQuery['resource'],
  item: Item,
  usages: ReadonlyMap<string, NodeUsage | undefined>,
): object[] {
  const usage = usages.get(nodeOf(item));
  if (!usage) return [];
  const { name, namespace, labels = {} } = item.metadata;
  const head = {
    metadata: { name, ...(namespace ? { namespace } : {}), labels, creationTimestamp: usage.at },
    timestamp: usage.at,
    window,
  };
  if (resource === 'nodes') return usage.node ? [{ ...head, usage: usage.node }] : [];
  const containers = usage.pods.get(`${namespace}/${name}`);
  if (!containers || containers.size === 0) return [];
  return [{ ...head, containers: [...containers].map(([each, taken]) => ({ name: each, usage: taken })) }];
}
