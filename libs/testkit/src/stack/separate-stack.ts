import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Postgres } from '@postern/lab';
import type { BusKeys } from '@postern/postern';
import { type RunningProcess, startProcess } from './child-process.ts';
import type { CheckerCredentials } from './checker.ts';
import { fakeTimeLibrary, stepClock } from './fake-time.ts';
import { Links } from './links.ts';
import {
  clockFile,
  edgeAddresses,
  portsFor,
  processName,
  type ServiceName,
  serviceEnv,
  services,
  type Setting,
  urlsOf,
} from './service-env.ts';
import {
  type NatsServers,
  openNatsServers,
  openPostgresServer,
  type PostgresServer,
} from './shared-servers.ts';
import { root, type Tools, toolsFor } from './tools.ts';
import { until } from './until.ts';

/** Every process that may be killed. */
export const victims = [...services, 'postgres', 'nats'] as const;
export type Victim = (typeof victims)[number];

/** Every service in processes of its own, against a Postgres and a NATS of their own. */
export interface SeparateStack extends AsyncDisposable {
  readonly folder: string;
  readonly postgres: Postgres;
  readonly servers: { readonly postgres: PostgresServer; readonly nats: NatsServers };
  /** The network to the servers, where it can be broken; empty unless asked for. */
  readonly links: Links;
  /** The edges' addresses, one for each replica. */
  readonly proxyAddrs: readonly string[];
  /** Where the replicas of a service listen, `https://host:port`; edges at their public addresses. */
  urlsOf(service: Exclude<ServiceName, 'discovery-svc'>): string[];
  /** The bus as services reach it, for connections of the test's own process: it can have one kind of them only. */
  readonly busServers: readonly string[];
  /** What a bus connection needs that may do everything. */
  readonly checkerCredentials: CheckerCredentials;
  readonly dataDir: string;
  readonly admin: Tools;
  /** Names of all processes, `<service>-<replica>`. */
  readonly processNames: readonly string[];
  process(service: ServiceName, replica: number): RunningProcess;
  processNamed(name: string): RunningProcess;
  /** Starts a process that ended again and waits until it is ready. */
  restart(name: string): Promise<void>;
  /** Whether it answers that it can do its work. */
  isReady(name: string): Promise<boolean>;
  /** The sum of a metric over all its labels, as the process tells it now; 0 where it has none of that name. */
  metric(name: string, metric: string): Promise<number>;
  /** Whether clocks of services can be moved. */
  readonly hasOwnClocks: boolean;
  /** Moves the clock of one process by seconds from the true time and waits until it shows; only where clocks were asked for. */
  stepClock(name: string, seconds: number): Promise<void>;
  /** As a crash would: of the first replica of a service, or of a server that all share. */
  kill9(victim: Victim): Promise<void>;
  /** Starts what was killed again. */
  revive(victim: Victim): Promise<void>;
}

/** What a stack may have beside its processes. */
export interface StackOptions {
  /** The network between processes and servers can be broken. */
  readonly links?: boolean;
  /** Clocks of services can be moved, where the Debian package libfaketime is installed. */
  readonly clocks?: boolean;
  /** Nodes of NATS, 1 or 3; streams are replicated to all. */
  readonly natsNodes?: number;
  /** Megabytes of disk for JetStream, where a small disk can be mounted. */
  readonly natsDiskMegabytes?: number;
  /** Further variables of every service. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts `replicas` of each service and waits until all are ready. When one is not, none is left running. */
export async function startSeparately(
  folder: string,
  replicas = 2,
  options: StackOptions = {},
): Promise<SeparateStack> {
  await using starting = new AsyncDisposableStack();
  const { dataDir, bus } = await openKeys(folder);
  const postgres = starting.use(await openPostgresServer(folder));
  const { natsNodes: nodes = 1, natsDiskMegabytes: diskMegabytes } = options;
  const { natsConfig: config, tls } = bus;
  const nats = starting.use(await openNatsServers(folder, { nodes, diskMegabytes, config, tls }));
  const links = starting.use(new Links());
  const servers = { postgres, nats };
  const setting = await settingOf({ folder, dataDir, replicas, servers, links, busEnv: bus.env }, options);
  const processes = starting.use(new Processes(setting));
  for (const service of services) {
    await Promise.all(Array.from({ length: replicas }, (_, at) => processes.start(processName(service, at))));
  }
  const proxyAddrs = edgeAddresses(setting);
  await writeFile(join(dataDir, 'proxy-addr'), proxyAddrs[0]!);
  const started = starting.move();
  return {
    folder,
    get postgres() {
      return postgres.current;
    },
    servers,
    links,
    proxyAddrs,
    urlsOf: (service) => urlsOf(setting, service),
    busServers: setting.natsUrl(agents).split(','),
    checkerCredentials: (await import('./checker.ts')).checkerCredentials(dataDir),
    dataDir,
    admin: toolsFor({ home: folder, dataDir }),
    processNames: [...setting.ports.keys()],
    process: (service, at) => processes.named(processName(service, at)),
    processNamed: (name) => processes.named(name),
    restart: (name) => processes.start(name),
    isReady: (name) => processes.isReady(name),
    metric: (name, metric) => processes.metric(name, metric),
    hasOwnClocks: setting.hasOwnClock,
    stepClock: async (name, seconds) => {
      stepClock(clockFile(folder, name), seconds);
      const isThere = async () => Math.abs((await processes.clockOffsetMs(name)) - seconds * 1000) < 3000;
      await until(`the clock of ${name} is ${seconds} s ahead`, isThere);
    },
    async kill9(victim) {
      if (victim === 'postgres') await postgres.kill9();
      else if (victim === 'nats') await nats.nodes[0]!.kill9();
      else await processes.named(processName(victim, 0)).kill9();
    },
    async revive(victim) {
      if (victim === 'postgres') await postgres.restart();
      else if (victim === 'nats') await nats.nodes[0]!.restart();
      else await processes.start(processName(victim, 0));
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

// The kube role beside each edge serves what is labelled for it; agents of a test choose by their own matchers.
const localAgent = `version: v3
auth_service: { enabled: "no" }
proxy_service: { enabled: "no" }
ssh_service: { enabled: "no" }
kubernetes_service:
  enabled: "yes"
  resources:
    - labels: { "postern.dev/agent": "local" }
`;

/** The data directory with its keys, as `postern start` makes it: the bus asks everybody for a credential. */
async function openKeys(folder: string): Promise<{ readonly dataDir: string; readonly bus: BusKeys }> {
  // The composition root loads every service, which tests that start no stack need not wait for.
  const { openBusKeys, openDataDir } = await import('@postern/postern');
  const dataDir = openDataDir(join(folder, 'data'));
  await writeFile(join(dataDir.path, 'local-agent.yaml'), localAgent);
  return { dataDir: dataDir.path, bus: await openBusKeys(dataDir) };
}

interface Ground extends Pick<Setting, 'folder' | 'dataDir' | 'replicas' | 'busEnv'> {
  readonly servers: SeparateStack['servers'];
  readonly links: Links;
}

async function settingOf({ servers, links, ...ground }: Ground, options: StackOptions): Promise<Setting> {
  const { postgres, nats } = servers;
  const ports = await portsFor(ground.replicas);
  const to = { postgres: postgres.current.port, nats: nats.ports };
  if (options.links) {
    for (const name of ports.keys()) if (usesServers(name)) await links.open(name, to);
    await links.open(agents, { nats: [...to.nats, ...nats.webSocketPorts] });
  }
  const natsPorts = (name: string) =>
    options.links
      ? links.ports(`${usesServers(name) ? name : agents}>nats`).slice(0, nats.ports.length)
      : nats.ports;
  const webSocketPorts = options.links
    ? links.ports(`${agents}>nats`).slice(nats.ports.length)
    : nats.webSocketPorts;
  const nodes = options.natsNodes ?? 1;
  return {
    ...ground,
    ports,
    env: { ...(nodes > 1 ? { POSTERN_NATS_REPLICAS: String(nodes) } : {}), ...options.env },
    hasOwnClock: options.clocks === true && fakeTimeLibrary() !== undefined,
    natsUrl: (name) =>
      natsPorts(name)
        .map((port) => `tls://127.0.0.1:${port}`)
        .join(','),
    natsWebSocketUrl: () => webSocketPorts.map((port) => `wss://127.0.0.1:${port}`).join(','),
    postgresUrl: (name) => {
      const url = new URL(postgres.current.url);
      if (options.links && usesServers(name)) url.port = String(links.ports(`${name}>postgres`)[0]);
      return url.href;
    },
  };
}

/** The way to the bus of edges and, through them, of agents. */
const agents = 'agents';

/** Whether a process is told by its own configuration where the servers are. */
function usesServers(name: string): boolean {
  return !/^(?:kube-proxy|discovery-svc)-|^agents$/.test(name);
}

/** The processes of the services. */
class Processes implements AsyncDisposable {
  readonly #setting: Setting;
  readonly #running = new Map<string, RunningProcess>();

  constructor(setting: Setting) {
    this.#setting = setting;
  }

  named(name: string): RunningProcess {
    return this.#running.get(name)!;
  }

  async start(name: string): Promise<void> {
    const { folder } = this.#setting;
    const [, service, at] = /^(.+)-(\d+)$/.exec(name)!;
    const started = startProcess({
      name,
      command: join(root, 'node_modules/.bin/node'),
      args: [join(root, `apps/${service}/src/main.ts`)],
      env: serviceEnv(this.#setting, service as ServiceName, Number(at)),
      cwd: folder,
      logDir: folder,
    });
    this.#running.set(name, started);
    await until(
      `${name} is ready`,
      async () => started.outcome() !== undefined || (await this.isReady(name)),
      {
        withinMs: 60_000,
      },
    );
    const ended = started.outcome();
    if (ended !== undefined) throw new Error(`${name} ended with ${ended}:\n${await started.lastWords()}`);
  }

  async isReady(name: string): Promise<boolean> {
    return (await this.#ask(name)).ok;
  }

  /** How far its clock is ahead, by what it writes over an answer, which is up to a second old. */
  async clockOffsetMs(name: string): Promise<number> {
    const { headers } = await this.#ask(name);
    return Date.parse(headers.get('date') ?? '') - Date.now();
  }

  async metric(name: string, metric: string): Promise<number> {
    const text = await (await this.#get(name, '/metrics')).text();
    const lines = text
      .split('\n')
      .filter((line) => line.startsWith(`${metric} `) || line.startsWith(`${metric}{`));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  async #ask(name: string): Promise<Response> {
    const answer = await this.#get(name, '/readyz');
    await answer.body?.cancel();
    return answer;
  }

  #get(name: string, path: string): Promise<Response> {
    const { diag } = this.#setting.ports.get(name)!;
    return fetch(`http://127.0.0.1:${diag}${path}`, { signal: AbortSignal.timeout(5000) });
  }

  /** All at once, for each may take its grace period. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running.values()].map((process) => process.stop()));
  }
}
