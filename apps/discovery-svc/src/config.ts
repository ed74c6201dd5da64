import { common, type ConfigOf, flag, optional, text } from '@postern/config';

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
  outbound: common.outbound,
  aws: common.aws,
  allowLoopback: flag('POSTERN_KUBE_ALLOW_LOOPBACK', {
    summary: 'whether clusters that are found may be on this machine',
    fallback: 'no',
  }),
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

/** Where AWS is and the way to it, as `@postern/aws` reads them. */
export function awsEnvironmentOf({
  aws,
  outbound,
}: Pick<DiscoveryConfig, 'aws' | 'outbound'>): Readonly<Record<string, string | undefined>> {
  const { httpsProxy, httpsProxyLower, noProxy, noProxyLower } = outbound;
  return {
    ...aws,
    HTTPS_PROXY: (httpsProxy ?? httpsProxyLower)?.reveal(),
    NO_PROXY: noProxy ?? noProxyLower,
  };
}
