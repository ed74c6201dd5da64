import {
  common,
  type ConfigOf,
  duration,
  type Field,
  type FieldOptions,
  flag,
  list,
  optional,
  readStaticToken,
  secretFile,
  type StaticToken,
  text,
} from '@postern/config';
import { messageOf } from '@postern/core';

/** A file with static tokens. Lines that begin with # are for people. */
function tokensFile(variable: string, options: FieldOptions): Field<readonly StaticToken[]> {
  const { parse, ...file } = secretFile(variable, options);
  const read = (path: string) =>
    parse(path)
      .reveal()
      .split('\n')
      .flatMap((line, at) => (/^\s*(#|$)/.test(line) ? [] : [readLine(line, at + 1)]));
  return { ...file, parse: read };
}

function readLine(line: string, number: number): StaticToken {
  try {
    return readStaticToken(line.trim());
  } catch (error) {
    throw new Error(`line ${number} ${messageOf(error)}`, { cause: error });
  }
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** The variables that join-svc reads. */
export const joinConfig = {
  clusterName: common.clusterName,
  postgresUrl: common.postgresUrl,
  natsServers: common.natsServers,
  natsReplicas: common.natsReplicas,
  listen: common.listen,
  diagListen: common.diagListen,
  publicAddrs: common.publicAddrs,
  serviceToken: common.joinToken,
  staticTokens: optional(
    tokensFile('POSTERN_STATIC_TOKENS_FILE', {
      summary: 'file with a static token on each line, role,role:value; the value may be sha256:<hash of it>',
    }),
  ),
  key: common.keyFile,
  dataDir: common.dataDir,
  heartbeatIntervalMs: common.heartbeatIntervalMs,
  telemetry: common.telemetry,
  adminIdentityFile: optional(
    text('POSTERN_ADMIN_IDENTITY_FILE', {
      summary: 'where to write, and keep current, an identity of the user admin',
    }),
  ),
  busAccountSeed: optional(
    secretFile('POSTERN_BUS_ACCOUNT_SEED_FILE', {
      summary: 'file with the seed of the NATS account; without it the bus asks nobody for a credential',
    }),
  ),
  busCaFile: optional(
    text('POSTERN_BUS_CA_FILE', {
      summary: 'file with the authority of the certificate of the bus (PEM), where it is a private one',
    }),
  ),
  busOperator: optional(
    secretFile('POSTERN_BUS_OPERATOR_FILE', {
      summary:
        'file with the seeds of the NATS operator and its system account; without it no agent is revoked on the bus',
    }),
  ),
  busServers: optional(
    list('POSTERN_BUS_PUBLIC_URL', {
      summary:
        'URLs of the bus as agents reach it, such as wss://<edge>/v1/bus; POSTERN_NATS_URL where absent',
    }),
  ),
  kubeconfigFile: optional(
    text('POSTERN_KUBECONFIG', {
      summary: 'kubeconfig of the API server that reviews tokens; that of the pod where absent',
    }),
  ),
  podHost: optional(
    text('KUBERNETES_SERVICE_HOST', { summary: 'set by Kubernetes: the API server of the pod we run in' }),
  ),
  podPort: optional(text('KUBERNETES_SERVICE_PORT', { summary: 'set by Kubernetes: its port' })),
  serviceAccountDir: common.serviceAccountDir,
  issuerCaFile: optional(
    text('POSTERN_ISSUER_CA_FILE', {
      summary:
        'file with authorities (PEM) that OIDC issuers of service account tokens may have instead of the public ones',
    }),
  ),
  issuerAllowLoopback: flag('POSTERN_ISSUER_ALLOW_LOOPBACK', {
    summary: 'whether OIDC issuers may be on this machine, for a trial',
    fallback: 'no',
  }),
  ec2CertificatesDir: optional(
    text('POSTERN_EC2_CERTIFICATES_DIR', {
      summary: 'folder with <region>.pem for regions of AWS whose certificates this version does not know',
    }),
  ),
  stsEndpoint: optional(
    text('POSTERN_STS_ENDPOINT', {
      summary:
        'where to ask AWS STS instead of the public host that a joiner signed for, such as a private endpoint: https://host',
    }),
  ),
  stsFipsOnly: flag('POSTERN_STS_FIPS_ONLY', {
    summary: 'whether agents must have signed for an STS host that is validated by FIPS 140',
    fallback: 'no',
  }),
  /** The way to AWS, which is also that to STS about joiners. */
  outbound: common.outbound,
  aws: common.aws,
  agentTtlMs: duration('POSTERN_AGENT_CERT_TTL', {
    summary: 'how long certificates of agents and services live',
    fallback: '24h',
    minMs: minuteMs,
    maxMs: 30 * 24 * hourMs,
  }),
  userTtlMs: duration('POSTERN_USER_CERT_TTL', {
    summary: 'how long certificates of people live at most; a role may say less',
    fallback: '12h',
    minMs: minuteMs,
    maxMs: 365 * 24 * hourMs,
  }),
} as const;

/** What join-svc read. */
export type JoinConfig = ConfigOf<typeof joinConfig>;
