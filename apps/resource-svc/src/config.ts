import { common, type ConfigOf } from '@postern/config';

/** The variables that resource-svc reads. */
export const resourceConfig = {
  postgresUrl: common.postgresUrl,
  natsServers: common.natsServers,
  natsReplicas: common.natsReplicas,
  joinUrls: common.joinUrls,
  joinToken: common.joinToken,
  caPins: common.caPins,
  caFile: common.caFile,
  key: common.keyFile,
  dataDir: common.dataDir,
  listen: common.listen,
  diagListen: common.diagListen,
  heartbeatIntervalMs: common.heartbeatIntervalMs,
  telemetry: common.telemetry,
} as const;

/** What resource-svc read. */
export type ResourceConfig = ConfigOf<typeof resourceConfig>;
