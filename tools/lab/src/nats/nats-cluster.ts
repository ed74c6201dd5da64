import { join } from 'node:path';
import { freePort } from '../process/free-port.ts';
import { type Nats, type NatsOptions, startNats } from './nats.ts';

/** How to run a cluster; each node keeps what it has in a folder of its own below `dir`. */
export type NatsClusterOptions = Omit<NatsOptions, 'port'> & { readonly nodes?: number };

/** Servers of NATS on 127.0.0.1 that replicate JetStream among them. */
export interface NatsCluster extends AsyncDisposable {
  /** URLs of every node, comma-separated. */
  readonly url: string;
  readonly nodes: readonly Nats[];
  /** Starts a node that was killed again. */
  restart(node: number): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a cluster, of three nodes unless said otherwise, and waits until it has a leader and every node is healthy. */
export async function startNatsCluster(options: NatsClusterOptions): Promise<NatsCluster> {
  const count = options.nodes ?? 3;
  const routes = await Promise.all(Array.from({ length: count }, () => freePort()));
  const start = (node: number, port?: number) =>
    startNats({
      ...options,
      dir: join(options.dir, `node-${node}`),
      ...(port === undefined ? {} : { port }),
      config: (dir) => configIn(dir, options.config) + clusterText(node, routes),
    });
  const nodes = await allOrNone(Array.from({ length: count }, (_, node) => start(node)));
  const ports = nodes.map(({ port }) => port);
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  return {
    url: nodes.map(({ url }) => url).join(','),
    nodes,
    restart: async (node) => {
      nodes[node] = await start(node, ports[node]);
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function allOrNone(starting: readonly Promise<Nats>[]): Promise<Nats[]> {
  const outcomes = await Promise.allSettled(starting);
  const started = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (!failed) return started;
  await Promise.all(started.map((node) => node.stop()));
  throw failed.reason;
}

function configIn(dir: string, config: NatsOptions['config'] = ''): string {
  return typeof config === 'string' ? config : config(dir);
}

function clusterText(node: number, routes: readonly number[]): string {
  // One node is no cluster: it would wait for the others.
  if (routes.length === 1) return '';
  const urls = routes.filter((_, at) => at !== node).map((port) => `"nats://127.0.0.1:${port}"`);
  return `server_name: "node-${node}"
cluster {
  name: "postern"
  listen: "127.0.0.1:${routes[node]}"
  routes: [${urls.join(', ')}]
  # Clients keep to the addresses they were given, which may be ways that somebody breaks.
  no_advertise: true
}
`;
}
