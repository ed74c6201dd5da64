import { optional } from './field.ts';
import { address, addresses, duration, httpsUrls, integer, list, oneOf, secretText, text } from './fields.ts';
import { secretFile } from './secret-file.ts';

/** Variables that mean the same to every service that reads them. A service's `config.ts` picks its own. */
export const common = {
  clusterName: text('POSTERN_CLUSTER_NAME', {
    summary: 'name of the cluster, the trust domain of every identity',
    fallback: 'postern',
    pattern: /^[a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9])?$/,
  }),
  postgresUrl: secretText('POSTERN_PG_URL', { summary: 'URL of the Postgres database' }),
  natsServers: list('POSTERN_NATS_URL', { summary: 'URLs of the NATS servers, comma-separated' }),
  natsReplicas: integer('POSTERN_NATS_REPLICAS', {
    summary: 'copies of each JetStream stream: 3 where NATS is a cluster of three or more',
    fallback: '1',
    min: 1,
    max: 5,
  }),
  joinUrls: httpsUrls('POSTERN_JOIN_URL', { summary: 'URLs of join-svc, comma-separated' }),
  resourceUrls: httpsUrls('POSTERN_RESOURCE_URL', { summary: 'URLs of resource-svc, comma-separated' }),
  inventoryUrls: httpsUrls('POSTERN_INVENTORY_URL', { summary: 'URLs of inventory-svc, comma-separated' }),
  joinToken: optional(
    secretFile('POSTERN_JOIN_TOKEN_FILE', {
      summary: 'file with the join token of services; not needed again with a data directory',
    }),
  ),
  caPins: optional(
    list('POSTERN_CA_PIN', {
      summary: 'pins of the host CA (sha256:…), comma-separated; or POSTERN_CA_FILE',
    }),
  ),
  caFile: optional(text('POSTERN_CA_FILE', { summary: 'file with the host CA (PEM); or POSTERN_CA_PIN' })),
  keyFile: secretFile('POSTERN_KEY_FILE', {
    summary: 'file with the key that seals secrets at rest (32 bytes, base64)',
  }),
  dataDir: optional(
    text('POSTERN_DATA_DIR', { summary: 'directory that keeps the identity of this process' }),
  ),
  listen: address('POSTERN_LISTEN', { summary: 'host:port of the HTTPS listener', fallback: '0.0.0.0:3443' }),
  diagListen: address('POSTERN_DIAG_LISTEN', {
    summary: 'host:port of /healthz, /readyz and /metrics',
    fallback: '127.0.0.1:3000',
  }),
  publicAddrs: optional(
    addresses('POSTERN_PUBLIC_ADDR', {
      summary: 'addresses under which the edge is reached, comma-separated',
      defaultPort: 3080,
    }),
  ),
  serviceAccountDir: optional(
    text('POSTERN_SERVICE_ACCOUNT_DIR', {
      summary: 'where the service account of the pod we run in is mounted, if not where Kubernetes does',
    }),
  ),
  /** The way out towards the control plane. Both spellings are customary; the upper one is looked at first. */
  outbound: {
    httpsProxy: optional(
      secretText('HTTPS_PROXY', {
        summary:
          'proxy through which an agent reaches the control plane, http[s]://[user:password@]host:port',
      }),
    ),
    httpsProxyLower: optional(secretText('https_proxy', { summary: 'the same as HTTPS_PROXY' })),
    noProxy: optional(
      text('NO_PROXY', { summary: 'names, addresses and networks that are reached without the proxy' }),
    ),
    noProxyLower: optional(text('no_proxy', { summary: 'the same as NO_PROXY' })),
  },
  /** Where AWS is, where it is not where it usually is (AWS SDKs and Tools Reference Guide, service-specific endpoints). */
  aws: {
    AWS_ENDPOINT_URL: optional(text('AWS_ENDPOINT_URL', { summary: 'where every service of AWS is asked' })),
    AWS_ENDPOINT_URL_EC2: optional(text('AWS_ENDPOINT_URL_EC2', { summary: 'where EC2 is asked' })),
    AWS_ENDPOINT_URL_EKS: optional(text('AWS_ENDPOINT_URL_EKS', { summary: 'where EKS is asked' })),
    AWS_ENDPOINT_URL_STS: optional(text('AWS_ENDPOINT_URL_STS', { summary: 'where STS is asked' })),
    AWS_USE_FIPS_ENDPOINT: optional(
      text('AWS_USE_FIPS_ENDPOINT', { summary: 'true to use the hosts that are validated by FIPS 140' }),
    ),
  },
  heartbeatIntervalMs: duration('POSTERN_HEARTBEAT_INTERVAL', {
    summary: 'how often a process says that it is alive',
    fallback: '30s',
    minMs: 100,
    maxMs: 3_600_000,
  }),
  telemetry: {
    level: oneOf('POSTERN_LOG_LEVEL', ['debug', 'info', 'warn', 'error'], {
      summary: 'the least important records that are logged',
      fallback: 'info',
    }),
    format: oneOf('POSTERN_LOG_FORMAT', ['json', 'text'], {
      summary: 'how records are written',
      fallback: 'json',
    }),
  },
} as const;
