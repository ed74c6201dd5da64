import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { readConfig, type StaticToken, staticTokenLine } from '@postern/config';
import { publicBusPath } from '@postern/contracts';
import { discoveryConfig, startDiscoverySvc } from '@postern/discovery-svc';
import { inventoryConfig, startInventorySvc } from '@postern/inventory-svc';
import { joinConfig, startJoinSvc } from '@postern/join-svc';
import { kubeProxyConfig, startKubeProxy } from '@postern/kube-proxy';
import { resourceConfig, startResourceSvc } from '@postern/resource-svc';
import { type DataDir, writeSecret } from './data-dir.ts';

/** Variables as a process would find them in its environment. */
export type Environment = Readonly<Record<string, string>>;

/** A control plane in one process. */
export interface ControlPlaneOptions {
  readonly dataDir: DataDir;
  readonly clusterName: string;
  /** `host:port` the edge listens on. */
  readonly listen: string;
  /** `host:port` that clients use; several with commas. */
  readonly publicAddrs: string;
  /** Who joins by them is let in until they are no more given. */
  readonly staticTokens?: readonly StaticToken[];
  /** POSTERN_PG_URL and POSTERN_NATS_URL, and whatever else every service shall find. */
  readonly env: Environment;
  /** A teleport.yaml whose kubernetes_service the kube role beside the edge follows; without it there is none. */
  readonly kubeFile?: string | undefined;
  /** Whether that kube role may connect to clusters on this machine. */
  readonly allowLoopback?: boolean;
  /** Runs discovery-svc, by this teleport.yaml or, when empty, by discovery_config resources alone. */
  readonly discoveryFile?: string | undefined;
}

/**
 * The services in the order in which they need each other, each configured by variables as it would be alone. The edge is the
 * only one that listens beyond loopback.
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<AsyncDisposable> {
  await using scope = new AsyncDisposableStack();
  const { dataDir } = options;
  const common = commonVariables(options);
  const own = (name: string) => ({ POSTERN_DATA_DIR: dataDir.folder(join('services', name)) });
  const joinEnv = {
    ...common,
    POSTERN_DATA_DIR: dataDir.path,
    POSTERN_ADMIN_IDENTITY_FILE: dataDir.adminIdentityFile,
    ...staticTokens(options),
  };
  const joining = readConfig(joinConfig, joinEnv);
  const joinSvc = scope.use(await startJoinSvc(joining));
  const joined = { ...common, POSTERN_JOIN_URL: joinSvc.url, POSTERN_CA_FILE: dataDir.caFile };
  const resourceEnv = { ...joined, ...own('resource-svc') };
  const resourceSvc = scope.use(await startResourceSvc(readConfig(resourceConfig, resourceEnv)));
  const inventoryEnv = { ...joined, ...own('inventory-svc') };
  const inventorySvc = scope.use(await startInventorySvc(readConfig(inventoryConfig, inventoryEnv)));
  // A process has one kind of connection to the bus, while agents elsewhere may be told of another.
  const beside = { busServers: joining.natsServers };
  const urls = { POSTERN_RESOURCE_URL: resourceSvc.url, POSTERN_INVENTORY_URL: inventorySvc.url };
  const proxyEnv = { ...joined, ...urls, ...own('kube-proxy'), ...edgeVariables(options) };
  scope.use(await startKubeProxy(readConfig(kubeProxyConfig, proxyEnv), beside));
  if (options.discoveryFile !== undefined) {
    const file = options.discoveryFile === '' ? {} : { POSTERN_CONFIG_FILE: options.discoveryFile };
    const discoveryEnv = { ...joined, ...urls, ...own('discovery-svc'), ...file };
    scope.use(await startDiscoverySvc(readConfig(discoveryConfig, discoveryEnv), beside));
  }
  writeSecret(dataDir.proxyAddrFile, `${options.publicAddrs.split(',')[0]}\n`);
  return scope.move();
}

/** Their hashes are in a file as for a join-svc alone; it is written anew at each start, and there only where there are any. */
function staticTokens({ dataDir, staticTokens: tokens = [] }: ControlPlaneOptions): Environment {
  if (tokens.length === 0) {
    rmSync(dataDir.staticTokensFile, { force: true });
    return {};
  }
  writeSecret(dataDir.staticTokensFile, tokens.map((token) => `${staticTokenLine(token)}\n`).join(''));
  return { POSTERN_STATIC_TOKENS_FILE: dataDir.staticTokensFile };
}

function commonVariables({ dataDir, clusterName, publicAddrs, env }: ControlPlaneOptions): Environment {
  return {
    POSTERN_KEY_FILE: dataDir.keyFile,
    POSTERN_JOIN_TOKEN_FILE: dataDir.serviceTokenFile,
    POSTERN_LISTEN: '127.0.0.1:0',
    POSTERN_DIAG_LISTEN: '127.0.0.1:0',
    POSTERN_CLUSTER_NAME: clusterName,
    POSTERN_PUBLIC_ADDR: publicAddrs,
    ...publicBus(publicAddrs, env),
    ...env,
  };
}

/** Where the edge offers the bus, agents are told to come to it there. */
function publicBus(publicAddrs: string, env: Environment): Environment {
  if (!env['POSTERN_NATS_WS_URL']) return {};
  const urls = publicAddrs.split(',').map((address) => `wss://${address}${publicBusPath}`);
  return { POSTERN_BUS_PUBLIC_URL: urls.join(',') };
}

function edgeVariables({ listen, kubeFile, allowLoopback }: ControlPlaneOptions): Environment {
  return {
    POSTERN_LISTEN: listen,
    POSTERN_KUBE_PROXY_ROLES: kubeFile === undefined ? 'edge' : 'edge,kube',
    POSTERN_KUBE_ALLOW_LOOPBACK: allowLoopback ? 'yes' : 'no',
    ...(kubeFile === undefined ? {} : { POSTERN_CONFIG_FILE: kubeFile }),
  };
}
