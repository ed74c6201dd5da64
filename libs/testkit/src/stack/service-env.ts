import { join } from 'node:path';
import { publicBusPath } from '@postern/contracts';
import { freePort } from '@postern/lab';
import { fakeTimeEnv } from './fake-time.ts';

/** The five services, in the order they are started. */
export const services = ['join-svc', 'resource-svc', 'inventory-svc', 'kube-proxy', 'discovery-svc'] as const;
export type ServiceName = (typeof services)[number];

/** Where one process listens. */
export interface Ports {
  readonly listen: number;
  readonly diag: number;
  readonly edge: number;
}

/** What the variables of every process are made from. */
export interface Setting {
  readonly folder: string;
  readonly dataDir: string;
  readonly ports: ReadonlyMap<string, Ports>;
  readonly replicas: number;
  /** What join-svc must know to give out credentials for the bus. */
  readonly busEnv: Readonly<Record<string, string | undefined>>;
  /** Further variables of every process. */
  readonly env: Readonly<Record<string, string>>;
  /** Whether each has a clock that can be moved. */
  readonly hasOwnClock: boolean;
  postgresUrl(process: string): string;
  natsUrl(process: string): string;
  /** Where edges pass agents on to. */
  natsWebSocketUrl(): string;
}

/** Name of a replica: of its log, its ports and its folder. */
export function processName(service: ServiceName, at: number): string {
  return `${service}-${at}`;
}

/** The file that the clock of a process follows. */
export function clockFile(folder: string, name: string): string {
  return join(folder, `${name}.clock`);
}

/** Ports for every process of a stack. */
export async function portsFor(replicas: number): Promise<Map<string, Ports>> {
  const ports = new Map<string, Ports>();
  for (const service of services) {
    for (let at = 0; at < replicas; at += 1) {
      const three = { listen: await freePort(), diag: await freePort(), edge: await freePort() };
      ports.set(processName(service, at), three);
    }
  }
  return ports;
}

/** The variables of one process. */
export function serviceEnv(setting: Setting, service: ServiceName, at: number): Record<string, string> {
  const { folder, dataDir, ports } = setting;
  const name = processName(service, at);
  const own = ports.get(name)!;
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    POSTERN_CLUSTER_NAME: 'postern',
    POSTERN_PG_URL: setting.postgresUrl(name),
    POSTERN_NATS_URL: setting.natsUrl(name),
    POSTERN_JOIN_URL: urlsOf(setting, 'join-svc').join(','),
    POSTERN_RESOURCE_URL: urlsOf(setting, 'resource-svc').join(','),
    POSTERN_INVENTORY_URL: urlsOf(setting, 'inventory-svc').join(','),
    POSTERN_JOIN_TOKEN_FILE: join(dataDir, 'service-token'),
    POSTERN_KEY_FILE: join(dataDir, 'kek'),
    POSTERN_LISTEN: `127.0.0.1:${own.listen}`,
    POSTERN_DIAG_LISTEN: `127.0.0.1:${own.diag}`,
    POSTERN_HEARTBEAT_INTERVAL: '2s',
    ...(setting.hasOwnClock ? fakeTimeEnv(clockFile(folder, name)) : {}),
    ...extras(setting, service, name),
    ...setting.env,
  };
}

function extras(setting: Setting, service: ServiceName, name: string): Record<string, string> {
  const { dataDir, folder, ports } = setting;
  const own = ports.get(name)!;
  if (service === 'join-svc') {
    return {
      POSTERN_DATA_DIR: dataDir,
      POSTERN_ADMIN_IDENTITY_FILE: join(dataDir, 'admin-identity.pem'),
      POSTERN_PUBLIC_ADDR: edgeAddresses(setting).join(','),
      POSTERN_BUS_PUBLIC_URL: edgeAddresses(setting)
        .map((address) => `wss://${address}${publicBusPath}`)
        .join(','),
      ...(setting.busEnv as Record<string, string>),
    };
  }
  const joined = {
    POSTERN_CA_FILE: join(dataDir, 'ca.pem'),
    POSTERN_DATA_DIR: join(folder, name),
  };
  if (service !== 'kube-proxy') return joined;
  return {
    ...joined,
    POSTERN_PUBLIC_ADDR: `127.0.0.1:${own.edge}`,
    POSTERN_LISTEN: `127.0.0.1:${own.edge}`,
    POSTERN_NATS_WS_URL: setting.natsWebSocketUrl(),
    POSTERN_CONFIG_FILE: join(dataDir, 'local-agent.yaml'),
    POSTERN_KUBE_ALLOW_LOOPBACK: 'yes',
  };
}

/** The edges' addresses, one for each replica. */
export function edgeAddresses({ ports, replicas }: Pick<Setting, 'ports' | 'replicas'>): string[] {
  return Array.from(
    { length: replicas },
    (_, at) => `127.0.0.1:${ports.get(processName('kube-proxy', at))!.edge}`,
  );
}

/** Where the replicas of a service listen, `https://host:port`. */
export function urlsOf(
  { ports, replicas }: Pick<Setting, 'ports' | 'replicas'>,
  service: ServiceName,
): string[] {
  return Array.from({ length: replicas }, (_, at) => {
    const { edge, listen } = ports.get(processName(service, at))!;
    return `https://127.0.0.1:${service === 'kube-proxy' ? edge : listen}`;
  });
}
