import { common, fieldsOf, formatAddress, type TeleportConfig } from '@postern/config';
import { failure } from '@postern/core';
import { openDataDir } from '../control-plane/data-dir.ts';
import { startControlPlane } from '../control-plane/start-control-plane.ts';

const HalfAControlPlane = failure(
  'failed_precondition',
  'postern.half_a_control_plane',
  (on: string, off: string) =>
    `${on} is on and ${off} is off: one process runs both or neither; set ${on}.enabled to "no" for an agent, or run the five services each on its own`,
);

const ServersMissing = failure(
  'failed_precondition',
  'postern.servers_missing',
  () =>
    'a control plane needs Postgres and NATS: set POSTERN_PG_URL and POSTERN_NATS_URL; npm start brings its own',
);

/** Whether a configuration asks for a control plane in this process. */
export function isControlPlane({ auth, proxy }: TeleportConfig): boolean {
  if (auth.enabled && !proxy.enabled) throw HalfAControlPlane('auth_service', 'proxy_service');
  if (proxy.enabled && !auth.enabled) throw HalfAControlPlane('proxy_service', 'auth_service');
  return auth.enabled;
}

/** All five services by one teleport.yaml; its kubernetes_service and discovery_service run in them. */
export function startAllInOne(
  config: TeleportConfig,
  { env, file }: { readonly env: Readonly<Record<string, string | undefined>>; readonly file: string },
): Promise<AsyncDisposable> {
  const { POSTERN_PG_URL: postgres, POSTERN_NATS_URL: nats } = env;
  if (!postgres || !nats) throw ServersMissing();
  const listen = formatAddress(config.proxy.webListenAddr ?? { host: '0.0.0.0', port: 3080 });
  const { severity, format } = config.teleport.log;
  const passedOn = [
    'POSTERN_BUS_ACCOUNT_SEED_FILE',
    'POSTERN_BUS_OPERATOR_FILE',
    'POSTERN_BUS_CA_FILE',
    'POSTERN_BUS_PUBLIC_URL',
    'POSTERN_NATS_WS_URL',
    'POSTERN_NATS_REPLICAS',
    'POSTERN_STS_ENDPOINT',
    'POSTERN_STS_FIPS_ONLY',
    ...fieldsOf({ ...common.outbound, ...common.aws }).map(({ variable }) => variable),
    'POSTERN_KUBECONFIG',
    'POSTERN_ISSUER_CA_FILE',
    'POSTERN_ISSUER_ALLOW_LOOPBACK',
    'POSTERN_EC2_CERTIFICATES_DIR',
    'KUBERNETES_SERVICE_HOST',
    'KUBERNETES_SERVICE_PORT',
    'POSTERN_SERVICE_ACCOUNT_DIR',
    'POSTERN_HEARTBEAT_INTERVAL',
  ];
  return startControlPlane({
    dataDir: openDataDir(config.teleport.dataDir),
    clusterName: config.auth.clusterName ?? 'postern',
    listen,
    publicAddrs:
      config.proxy.publicAddrs.map(formatAddress).join(',') || listen.replace('0.0.0.0', '127.0.0.1'),
    env: {
      POSTERN_PG_URL: postgres,
      POSTERN_NATS_URL: nats,
      POSTERN_LOG_LEVEL: severity,
      POSTERN_LOG_FORMAT: format,
      ...Object.fromEntries(passedOn.flatMap((name) => (env[name] ? [[name, env[name]]] : []))),
    },
    staticTokens: config.auth.tokens,
    kubeFile: config.kubernetes.enabled ? file : undefined,
    allowLoopback: config.kubernetes.allowLoopback,
    discoveryFile: config.discovery.enabled ? file : undefined,
  });
}
