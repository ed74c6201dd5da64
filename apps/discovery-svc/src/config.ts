import { common, type ConfigOf, optional, text } from '@postern/config';

/** The variables that discovery-svc reads. */
export const discoveryConfig = {
  joinUrls: common.joinUrls,
  joinToken: common.joinToken,
  caPins: common.caPins,
  caFile: common.caFile,
  dataDir: common.dataDir,
  diagListen: common.diagListen,
  heartbeatIntervalMs: common.heartbeatIntervalMs,
  telemetry: common.telemetry,
  group: text('POSTERN_DISCOVERY_GROUP', {
    summary: 'the discovery group of this process, where no POSTERN_CONFIG_FILE names one',
    fallback: 'default',
  }),
  configFile: optional(
    text('POSTERN_CONFIG_FILE', { summary: 'a teleport.yaml whose discovery_service says what to look for' }),
  ),
} as const;

/** What discovery-svc read. */
export type DiscoveryConfig = ConfigOf<typeof discoveryConfig>;
