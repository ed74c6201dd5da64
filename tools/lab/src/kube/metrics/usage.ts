import type { ApiServerCall } from './call-api-server.ts';

/** What something takes at a moment, as quantities of Kubernetes. */
export interface Usage {
  readonly cpu: string;
  readonly memory: string;
}

/** Figures of a node and of what runs on it. */
export interface NodeUsage {
  readonly at: string;
  readonly node: Usage | undefined;
  /** By `<namespace>/<pod>`, then by container. */
  readonly pods: ReadonlyMap<string, ReadonlyMap<string, Usage>>;
}

interface Stats {
  readonly cpu?: { readonly usageNanoCores?: number };
  readonly memory?: { readonly workingSetBytes?: number };
}

interface Summary {
  readonly node: Stats;
  readonly pods?: readonly {
    readonly podRef: { readonly name: string; readonly namespace: string };
    readonly containers?: readonly (Stats & { readonly name: string })[];
  }[];
}

const freshMs = 10_000;

/** Figures of nodes, each asked for now and then; those of a kubelet that does not answer stay as they were. */
export class NodeUsages {
  readonly #call: ApiServerCall;
  readonly #last = new Map<string, NodeUsage>();

  constructor(call: ApiServerCall) {
    this.#call = call;
  }

  /** Undefined when nothing was ever heard of the node. */
  async of(node: string): Promise<NodeUsage | undefined> {
    const last = this.#last.get(node);
    if (last && Date.now() - Date.parse(last.at) < freshMs) return last;
    const usage = await readNodeUsage(this.#call, node).catch(() => undefined);
    if (usage) this.#last.set(node, usage);
    return usage ?? last;
  }
}

/** Reads the figures that a kubelet has, through the API server. Undefined when it does not answer. */
async function readNodeUsage(call: ApiServerCall, node: string): Promise<NodeUsage | undefined> {
  const { status, body } = await call(`/api/v1/nodes/${encodeURIComponent(node)}/proxy/stats/summary`);
  if (status !== 200) return undefined;
  const summary = JSON.parse(body) as Summary;
  const pods = (summary.pods ?? []).map(({ podRef, containers = [] }) => {
    const usages = containers.map((container) => [container.name, usageOf(container)] as const);
    const known = usages.filter((entry): entry is [string, Usage] => entry[1] !== undefined);
    return [`${podRef.namespace}/${podRef.name}`, new Map(known)] as const;
  });
  return { at: new Date().toISOString(), node: usageOf(summary.node), pods: new Map(pods) };
}

/** A kubelet knows the memory of a container at once, and what it takes of a processor from its second look on. */
function usageOf({ cpu, memory }: Stats): Usage | undefined {
  if (memory?.workingSetBytes === undefined) return undefined;
  return { cpu: `${cpu?.usageNanoCores ?? 0}n`, memory: `${Math.ceil(memory.workingSetBytes / 1024)}Ki` };
}
