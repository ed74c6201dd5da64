import { join } from 'node:path';
import {
  type Nats,
  type NatsCluster,
  type NatsOptions,
  type Postgres,
  startNats,
  startNatsCluster,
  startPostgres,
} from '@postern/lab';
import { freezeTree, thawTree } from './frozen-tree.ts';
import { mountSmallDisk, type SmallDisk } from './small-disk.ts';

/** A server that every service shares. */
export interface SharedServer {
  /** As a crash would. */
  kill9(): Promise<void>;
  /** Starts what was killed again. */
  restart(): Promise<void>;
  freeze(): void;
  thaw(): void;
}

/** How the bus of a stack is run. */
export interface BusPlan {
  /** Nodes of NATS; more than one replicate JetStream among them. */
  readonly nodes: number;
  /** Megabytes of disk that JetStream has; without it as much as there is. */
  readonly diskMegabytes?: number | undefined;
  readonly config?: NatsOptions['config'];
  readonly tls?: NatsOptions['tls'];
}

/** The Postgres of a stack. */
export interface PostgresServer extends SharedServer, AsyncDisposable {
  readonly current: Postgres;
}

/** The NATS of a stack: one node, or several of which each is a server by itself. */
export interface NatsServers extends AsyncDisposable {
  readonly ports: readonly number[];
  /** Of their WebSocket listeners. */
  readonly webSocketPorts: readonly number[];
  /** URLs of every node, comma-separated, past any link. */
  readonly url: () => string;
  readonly monitorUrls: () => string[];
  readonly nodes: readonly SharedServer[];
  readonly disk: SmallDisk | undefined;
}

/** Starts Postgres for a stack. */
export async function openPostgresServer(folder: string): Promise<PostgresServer> {
  const options = { dataDir: join(folder, 'postgres'), durable: true };
  let current = await startPostgres(options);
  return {
    get current() {
      return current;
    },
    kill9: () => current.kill9(),
    restart: async () => {
      current = await startPostgres({ ...options, port: current.port });
    },
    freeze: () => freezeTree(current.pid),
    thaw: () => thawTree(current.pid),
    async [Symbol.asyncDispose]() {
      thawTree(current.pid);
      await current.stop();
    },
  };
}

/** Starts the NATS of a stack as planned. */
export async function openNatsServers(folder: string, plan: BusPlan): Promise<NatsServers> {
  await using scope = new AsyncDisposableStack();
  const dir = join(folder, 'nats');
  const disk = plan.diskMegabytes ? await mountSmallDisk(join(dir, 'js'), plan.diskMegabytes) : undefined;
  if (disk) scope.use(disk);
  const run = disk ? { ...plan, config: withoutReserve(plan.config) } : plan;
  const { nodes, monitored } =
    run.nodes === 1 ? await oneNode(dir, run, scope) : await severalNodes(dir, run, scope);
  const open = scope.move();
  return {
    ports: monitored().map(({ port }) => port),
    webSocketPorts: monitored().map(({ websocketUrl }) => Number(new URL(websocketUrl!).port)),
    url: () =>
      monitored()
        .map(({ url }) => url)
        .join(','),
    monitorUrls: () => monitored().map(({ monitorUrl }) => monitorUrl),
    nodes,
    disk,
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

interface Nodes {
  readonly nodes: readonly SharedServer[];
  readonly monitored: () => readonly Nats[];
}

async function oneNode(dir: string, { config, tls }: BusPlan, scope: AsyncDisposableStack): Promise<Nodes> {
  const options = { dir, config, tls, websocket: true };
  let current = await startNats(options);
  scope.defer(async () => {
    thawTree(current.pid);
    await current.stop();
  });
  const server: SharedServer = {
    kill9: () => current.kill9(),
    restart: async () => {
      current = await startNats({ ...options, port: current.port });
    },
    freeze: () => freezeTree(current.pid),
    thaw: () => thawTree(current.pid),
  };
  return { nodes: [server], monitored: () => [current] };
}

async function severalNodes(
  dir: string,
  { nodes, config, tls }: BusPlan,
  scope: AsyncDisposableStack,
): Promise<Nodes> {
  const cluster = await startNatsCluster({ dir, nodes, config, tls, websocket: true });
  scope.defer(async () => {
    for (const { pid } of cluster.nodes) thawTree(pid);
    await cluster.stop();
  });
  return {
    nodes: cluster.nodes.map((_, at) => nodeOf(cluster, at)),
    monitored: () => cluster.nodes,
  };
}

function nodeOf(cluster: NatsCluster, at: number): SharedServer {
  return {
    kill9: () => cluster.nodes[at]!.kill9(),
    restart: () => cluster.restart(at),
    freeze: () => freezeTree(cluster.nodes[at]!.pid),
    thaw: () => thawTree(cluster.nodes[at]!.pid),
  };
}

// A server refuses streams whose bounds together exceed what its disk had free at the start; this one is to find it full later.
function withoutReserve(config: BusPlan['config'] = ''): (dir: string) => string {
  return (dir) => `${typeof config === 'string' ? config : config(dir)}
jetstream { store_dir: ${JSON.stringify(join(dir, 'js'))}, sync_interval: "1s", max_file_store: 1TB }
`;
}
