import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { freePort, type Nats, type Postgres, startNats, startPostgres } from '@postern/lab';
import { type RunningProcess, startProcess } from './child-process.ts';
import { until } from './until.ts';
import { root, type Tools, toolsFor } from './tools.ts';

/** The five services, in the order they are started. */
export const services = ['join-svc', 'resource-svc', 'inventory-svc', 'kube-proxy', 'discovery-svc'] as const;
export type ServiceName = (typeof services)[number];

/** Every process that may be killed. */
export const victims = [...services, 'postgres', 'nats'] as const;
export type Victim = (typeof victims)[number];

/** Every service in processes of its own, against a Postgres and a NATS of their own. */
export interface SeparateStack extends AsyncDisposable {
  readonly postgres: Postgres;
  /** The edges' addresses, one for each replica. */
  readonly proxyAddrs: readonly string[];
  readonly dataDir: string;
  readonly admin: Tools;
  process(service: ServiceName, replica: number): RunningProcess;
  /** As a crash would: of the first replica of a service, or of a server that all share. */
  kill9(victim: Victim): Promise<void>;
  /** Starts what was killed again. */
  revive(victim: Victim): Promise<void>;
}

interface Ports {
  readonly listen: number;
  readonly diag: number;
  readonly edge: number;
}

/** Starts `replicas` of each service and waits until all are ready. When one is not, none is left running. */
export async function startSeparately(folder: string, replicas = 2): Promise<SeparateStack> {
  await using starting = new AsyncDisposableStack();
  const dataDir = join(folder, 'data');
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await writeFile(join(dataDir, 'kek'), `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  await writeFile(join(dataDir, 'service-token'), `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
  await writeFile(join(dataDir, 'local-agent.yaml'), localAgent);
  let postgres = await startPostgres({ dataDir: join(folder, 'postgres'), durable: true });
  starting.defer(() => postgres.stop());
  let nats = await startNats({ dir: join(folder, 'nats') });
  starting.defer(() => nats.stop());
  const ports = new Map<string, Ports>();
  for (const service of services) {
    for (let at = 0; at < replicas; at += 1) ports.set(`${service}-${at}`, await threePorts());
  }
  const running = new Map<string, RunningProcess>();
  // All at once, for each may take its grace period.
  starting.defer(async () => {
    await Promise.all([...running.values()].map((process) => process.stop()));
  });
  const start = async (service: ServiceName, at: number) => {
    const name = `${service}-${at}`;
    const env = envOf({ folder, dataDir, postgres, nats, ports, replicas }, service, at);
    running.set(
      name,
      startProcess({
        name,
        command: join(root, 'node_modules/.bin/node'),
        args: [join(root, `apps/${service}/src/main.ts`)],
        env,
        cwd: folder,
        logDir: folder,
      }),
    );
    await ready(name, ports.get(name)!.diag, running.get(name)!);
  };
  for (const service of services)
    await Promise.all(Array.from({ length: replicas }, (_, at) => start(service, at)));
  const proxyAddrs = Array.from(
    { length: replicas },
    (_, at) => `127.0.0.1:${ports.get(`kube-proxy-${at}`)!.edge}`,
  );
  await writeFile(join(dataDir, 'proxy-addr'), proxyAddrs[0]!);
  const started = starting.move();
  return {
    get postgres() {
      return postgres;
    },
    proxyAddrs,
    dataDir,
    admin: toolsFor({ home: folder, dataDir }),
    process: (service, at) => running.get(`${service}-${at}`)!,
    async kill9(victim) {
      if (victim === 'postgres') await postgres.kill9();
      else if (victim === 'nats') await nats.kill9();
      else await running.get(`${victim}-0`)!.kill9();
    },
    async revive(victim) {
      if (victim === 'postgres')
        postgres = await startPostgres({ dataDir: join(folder, 'postgres'), durable: true });
      else if (victim === 'nats') nats = await startNats({ dir: join(folder, 'nats') });
      else await start(victim, 0);
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

async function threePorts(): Promise<Ports> {
  return { listen: await freePort(), diag: await freePort(), edge: await freePort() };
}

async function ready(name: string, diag: number, process: RunningProcess): Promise<void> {
  let ended: number | NodeJS.Signals | undefined;
  void process.exited.then((code) => (ended = code));
  await until(
    `${name} is ready`,
    async () => ended !== undefined || (await fetch(`http://127.0.0.1:${diag}/readyz`)).ok,
    { withinMs: 60_000 },
  );
  if (ended !== undefined) throw new Error(`${name} ended with ${ended}: see ${process.logFile}`);
}

interface Setting {
  readonly folder: string;
  readonly dataDir: string;
  readonly postgres: Postgres;
  readonly nats: Nats;
  readonly ports: ReadonlyMap<string, Ports>;
  readonly replicas: number;
}

function envOf(
  { folder, dataDir, postgres, nats, ports, replicas }: Setting,
  service: ServiceName,
  at: number,
): Record<string, string> {
  const own = ports.get(`${service}-${at}`)!;
  const urls = (name: ServiceName) =>
    Array.from(
      { length: replicas },
      (_, index) => `https://127.0.0.1:${ports.get(`${name}-${index}`)!.listen}`,
    ).join(',');
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    POSTERN_CLUSTER_NAME: 'postern',
    POSTERN_PG_URL: postgres.url,
    POSTERN_NATS_URL: nats.url,
    POSTERN_JOIN_URL: urls('join-svc'),
    POSTERN_RESOURCE_URL: urls('resource-svc'),
    POSTERN_INVENTORY_URL: urls('inventory-svc'),
    POSTERN_JOIN_TOKEN_FILE: join(dataDir, 'service-token'),
    POSTERN_KEY_FILE: join(dataDir, 'kek'),
    POSTERN_LISTEN: `127.0.0.1:${own.listen}`,
    POSTERN_DIAG_LISTEN: `127.0.0.1:${own.diag}`,
    POSTERN_HEARTBEAT_INTERVAL: '2s',
    ...extras(service, { dataDir, folder, own, at, ports, replicas }),
  };
}

interface Own {
  readonly dataDir: string;
  readonly folder: string;
  readonly own: Ports;
  readonly at: number;
  readonly ports: ReadonlyMap<string, Ports>;
  readonly replicas: number;
}

function extras(
  service: ServiceName,
  { dataDir, folder, own, at, ports, replicas }: Own,
): Record<string, string> {
  const edges = Array.from(
    { length: replicas },
    (_, index) => `127.0.0.1:${ports.get(`kube-proxy-${index}`)!.edge}`,
  ).join(',');
  if (service === 'join-svc') {
    return {
      POSTERN_DATA_DIR: dataDir,
      POSTERN_ADMIN_IDENTITY_FILE: join(dataDir, 'admin-identity.pem'),
      POSTERN_PUBLIC_ADDR: edges,
    };
  }
  const joined = {
    POSTERN_CA_FILE: join(dataDir, 'ca.pem'),
    POSTERN_DATA_DIR: join(folder, `${service}-${at}`),
  };
  return service === 'kube-proxy'
    ? {
        ...joined,
        POSTERN_PUBLIC_ADDR: `127.0.0.1:${own.edge}`,
        POSTERN_LISTEN: `127.0.0.1:${own.edge}`,
        POSTERN_KUBE_LISTEN: `127.0.0.1:${own.listen}`,
        POSTERN_CONFIG_FILE: join(dataDir, 'local-agent.yaml'),
        POSTERN_KUBE_ALLOW_LOOPBACK: 'yes',
      }
    : joined;
}
