import { hostname } from 'node:os';
import { join } from 'node:path';
import { Outbound } from '@postern/agent';
import {
  address,
  addresses,
  common,
  type ConfigOf,
  duration,
  flag,
  integer,
  list,
  oneOf,
  optional,
  text,
} from '@postern/config';
import { formatAddress, type KubernetesSection, readAddress } from '@postern/config';
import type { Selector } from '@postern/contracts';
import { failure } from '@postern/core';
import { defaultUserLimits } from './limits/user-limits.ts';
import type { KubeProxyServiceConfig } from './kube-proxy.ts';

/** An address of NATS through which no WebSocket goes. */
export const InvalidNatsWebSocket = failure(
  'invalid_argument',
  'kube.invalid_nats_web_socket',
  () => 'POSTERN_NATS_WS_URL must be like wss://host:port',
);

/** The variables that kube-proxy reads. */
export const kubeProxyConfig = {
  roles: list('POSTERN_KUBE_PROXY_ROLES', {
    summary: 'roles of this process: edge, kube, or both',
    fallback: 'edge,kube',
  }),
  joinUrls: common.joinUrls,
  joinToken: common.joinToken,
  caPins: common.caPins,
  caFile: common.caFile,
  dataDir: common.dataDir,
  resourceUrls: optional(common.resourceUrls),
  inventoryUrls: optional(common.inventoryUrls),
  listen: common.listen,
  publicAddrs: common.publicAddrs,
  diagListen: common.diagListen,
  heartbeatIntervalMs: common.heartbeatIntervalMs,
  telemetry: common.telemetry,
  maxPolicyAgeMs: duration('POSTERN_POLICY_MAX_AGE', {
    summary: 'how long new requests are allowed on the last policy while the bus is away',
    fallback: '5m',
    minMs: 1000,
  }),
  maxStreamPolicyAgeMs: duration('POSTERN_POLICY_MAX_STREAM_AGE', {
    summary: 'how long streams stay open on the last policy while the bus is away',
    fallback: '15m',
    minMs: 1000,
  }),
  maxApiBodyBytes: integer('POSTERN_API_MAX_BODY', {
    summary: 'largest body of an API call, in bytes',
    fallback: '1048576',
    min: 1024,
  }),
  auditOnFull: oneOf('POSTERN_AUDIT_ON_FULL', ['refuse', 'continue'], {
    summary: 'what happens to requests that cannot be recorded, because the disk or the bound is full',
    fallback: 'refuse',
  }),
  auditMaxBytes: integer('POSTERN_AUDIT_MAX_BYTES', {
    summary: 'how much of the local disk records may take that the bus has not acknowledged, in bytes',
    fallback: '1073741824',
    min: 16 * 1024 * 1024,
  }),
  auditSyncMs: duration('POSTERN_AUDIT_SYNC', {
    summary:
      'how often records are synced to the local disk; 0s for before each request that may change something',
    fallback: '1s',
    maxMs: 60_000,
  }),
  requestsPerSecond: integer('POSTERN_USER_MAX_RATE', {
    summary: 'requests per second that one user may make at this edge, on average; 0 for any',
    fallback: String(defaultUserLimits.requestsPerSecond),
    min: 0,
  }),
  maxOpen: integer('POSTERN_USER_MAX_OPEN', {
    summary: 'requests of one user under way at this edge, watches included; 0 for any',
    fallback: String(defaultUserLimits.open),
    min: 0,
  }),
  maxOpenPerCluster: integer('POSTERN_USER_MAX_OPEN_PER_CLUSTER', {
    summary: 'the same in one cluster; 0 for any',
    fallback: String(defaultUserLimits.openPerCluster),
    min: 0,
  }),
  maxSessions: integer('POSTERN_USER_MAX_SESSIONS', {
    summary: 'exec, attach and port-forward of one user at this edge; 0 for any',
    fallback: String(defaultUserLimits.sessions),
    min: 0,
  }),
  maxRecordingBytes: integer('POSTERN_RECORDING_SPOOL_MAX', {
    summary: 'how much of the local disk recordings of sessions may take that are not uploaded yet, in bytes',
    fallback: '4294967296',
    min: 1024 * 1024,
  }),
  natsServers: optional(common.natsServers),
  natsWebSockets: optional(
    list('POSTERN_NATS_WS_URL', {
      summary:
        'URLs of the WebSocket listeners of NATS, which agents reach at /v1/bus of the edge; none to offer no bus there',
    }),
  ),
  edgeAdvertise: optional(
    address('POSTERN_EDGE_ADVERTISE', {
      summary: 'host:port where other edges reach this one, when it is not POSTERN_LISTEN',
    }),
  ),
  tunnelAddrs: optional(
    addresses('POSTERN_TUNNEL_ADDR', {
      summary:
        'public addresses to which the kube role opens its tunnels, when they are not those of POSTERN_JOIN_URL',
      defaultPort: 3080,
    }),
  ),
  outbound: common.outbound,
  aws: common.aws,
  configFile: optional(
    text('POSTERN_CONFIG_FILE', { summary: 'a teleport.yaml whose kubernetes_service says what to serve' }),
  ),
  podHost: optional(
    text('KUBERNETES_SERVICE_HOST', { summary: 'set by Kubernetes: the API server of the pod we run in' }),
  ),
  podPort: optional(text('KUBERNETES_SERVICE_PORT', { summary: 'set by Kubernetes: its port' })),
  serviceAccountDir: common.serviceAccountDir,
  allowLoopback: flag('POSTERN_KUBE_ALLOW_LOOPBACK', {
    summary: 'whether registered clusters may be on this machine',
    fallback: 'no',
  }),
} as const;

export type KubeProxyConfig = ConfigOf<typeof kubeProxyConfig>;

/** What a kube role serves where no configuration file says it: every registered cluster. */
export const everyCluster: KubernetesSection = {
  enabled: true,
  kubeconfigFile: undefined,
  kubeClusterName: undefined,
  labels: {},
  commands: [],
  resources: [{ labels: { '*': ['*'] }, assumeRoleArn: undefined, externalId: undefined }],
  dynamicLabelCommands: [],
  allowLoopback: false,
};

/** The view of a kube role's matchers, with the clusters' credentials; undefined when it has none. */
export function selectorOf({ resources }: KubernetesSection): Selector | undefined {
  const any = resources
    .filter(({ labels }) => Object.keys(labels).length > 0)
    .map(({ labels }) => ({ labels }));
  return any.length === 0 ? undefined : { kinds: ['kube_cluster'], any, secrets: true };
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The configuration of the service from environment and `kubernetes_service`. */
export function serviceConfigOf(
  config: KubeProxyConfig,
  section: KubernetesSection,
  environment: Environment = environmentOf(config),
): KubeProxyServiceConfig {
  const has = (role: string) => config.roles.includes(role);
  return {
    hostname: hostname(),
    heartbeatIntervalMs: config.heartbeatIntervalMs,
    facts: {
      dataDir: config.dataDir,
      maxBytes: config.auditMaxBytes,
      syncMs: config.auditSyncMs,
      onFull: config.auditOnFull,
    },
    edge: has('edge') ? edgeConfigOf(config) : undefined,
    kube: has('kube') ? kubeConfigOf(config, section, environment) : undefined,
  };
}

function edgeConfigOf(config: KubeProxyConfig): NonNullable<KubeProxyServiceConfig['edge']> {
  const {
    joinUrls,
    resourceUrls = [],
    inventoryUrls = [],
    listen,
    publicAddrs,
    maxPolicyAgeMs,
    maxStreamPolicyAgeMs,
    maxApiBodyBytes,
    requestsPerSecond,
    maxOpen: open,
    maxOpenPerCluster: openPerCluster,
    maxSessions: sessions,
    natsWebSockets,
    edgeAdvertise,
    dataDir,
    maxRecordingBytes,
  } = config;
  return {
    listen,
    publicAddress: publicAddrs?.[0] ?? formatAddress(listen),
    services: { 'join-svc': joinUrls, 'resource-svc': resourceUrls, 'inventory-svc': inventoryUrls },
    maxPolicyAgeMs,
    maxStreamPolicyAgeMs,
    maxApiBodyBytes,
    userLimits: { requestsPerSecond, open, openPerCluster, sessions },
    busServers: natsWebSockets?.map(webSocketUrl),
    advertise: edgeAdvertise && formatAddress(edgeAdvertise),
    recordings: { folder: dataDir && join(dataDir, 'recordings'), maxBytes: maxRecordingBytes },
  };
}

function webSocketUrl(text: string): string {
  const url = URL.parse(text);
  if (url?.protocol === 'wss:' || url?.protocol === 'ws:') return url.href;
  throw InvalidNatsWebSocket();
}

/** What the pod we run in and AWS are told by. */
function environmentOf(config: KubeProxyConfig): Environment {
  const { httpsProxy, httpsProxyLower, noProxy, noProxyLower } = config.outbound;
  return {
    KUBERNETES_SERVICE_HOST: config.podHost,
    KUBERNETES_SERVICE_PORT: config.podPort,
    POSTERN_SERVICE_ACCOUNT_DIR: config.serviceAccountDir,
    ...config.aws,
    HTTPS_PROXY: (httpsProxy ?? httpsProxyLower)?.reveal(),
    NO_PROXY: noProxy ?? noProxyLower,
  };
}

/** The proxy settings of the environment, in either spelling. */
export function outboundOf({ outbound }: Pick<KubeProxyConfig, 'outbound'>): Outbound {
  return new Outbound({
    httpsProxy: outbound.httpsProxy ?? outbound.httpsProxyLower,
    noProxy: outbound.noProxy ?? outbound.noProxyLower,
  });
}

function kubeConfigOf(
  config: KubeProxyConfig,
  section: KubernetesSection,
  environment: Environment,
): NonNullable<KubeProxyServiceConfig['kube']> {
  const { kubeconfigFile, kubeClusterName, labels, commands } = section;
  const labelCommands = Object.fromEntries(
    commands.map(({ name, command, periodMs }) => [name, { command, periodMs }]),
  );
  const dialled = config.tunnelAddrs ?? config.joinUrls.map((url) => new URL(url).host);
  const addresses = dialled.map((text) => readAddress(text, 443));
  const hasEdge = config.roles.includes('edge');
  return {
    selector: selectorOf(section),
    eks: { matchers: section.resources, env: environment },
    statics: { kubeconfigFile, kubeClusterName, labels, labelCommands, podEnvironment: environment },
    allowLoopback: config.allowLoopback || section.allowLoopback,
    // The programs of the configuration's own commands are the operator's choice already.
    allowedCommands: [...section.dynamicLabelCommands, ...commands.map(({ command }) => command[0]!)],
    // The edge of this very process hands its requests over, and those of other edges.
    tunnels: hasEdge ? undefined : { addresses, outbound: outboundOf(config) },
  };
}
