import { type Beginning, type BesideOthers, joinProcess, keepService } from '@postern/agent';
import { formatAddress } from '@postern/config';
import { systemClock as clock } from '@postern/core';
import { diagServer, LatestReadiness } from '@postern/http';
import { type Logger, startTelemetry, type Telemetry } from '@postern/telemetry';
import { type KubeProxyConfig, outboundOf, serviceConfigOf } from './config.ts';
import { kubeProxyService, type KubeProxyServiceConfig, viewsOf } from './kube-proxy.ts';
import { readSection } from './read-section.ts';
import { tuneMemory } from './tune-memory.ts';

/** A kube-proxy with everything that it runs on. Closing it closes all of that, in reverse order. */
export interface RunningKubeProxy extends AsyncDisposable {
  /** The public address, where this process has the edge role. */
  readonly url: string | undefined;
  readonly diagUrl: string;
  readonly log: Logger;
  /** Settles only when it cannot go on: with the error why. */
  readonly ended: Promise<never>;
}

/** What is the same however often the service begins. */
interface Ground {
  readonly config: KubeProxyConfig;
  readonly settings: KubeProxyServiceConfig;
  readonly busServers: BesideOthers['busServers'];
  readonly telemetry: Telemetry;
  readonly readiness: LatestReadiness;
}

/** Starts kube-proxy as its configuration says: alone in a process, or beside the other services in one. */
export async function startKubeProxy(
  config: KubeProxyConfig,
  { busServers = config.natsServers }: BesideOthers = {},
): Promise<RunningKubeProxy> {
  tuneMemory();
  await using scope = new AsyncDisposableStack();
  const settings = serviceConfigOf(config, await readSection(config.configFile));
  const readiness = new LatestReadiness();
  const telemetry = scope.use(startTelemetry('kube-proxy', config.telemetry));
  const diag = await scope.use(diagServer({ telemetry, readiness })).listen(config.diagListen);
  const ground = { config, settings, busServers, telemetry, readiness };
  const { first, ended } = scope.use(
    await keepService((beginning) => begin(ground, beginning), {
      name: 'kube-proxy',
      telemetry,
      staysWhenTaken: settings.edge !== undefined,
    }),
  );
  const { url } = first;
  const open = scope.move();
  const close = () => open.disposeAsync();
  return { url, ended, diagUrl: diag.url, log: telemetry.log, [Symbol.asyncDispose]: close };
}

async function begin(
  { config, settings, busServers, telemetry, readiness: latest }: Ground,
  { scope, signal }: Beginning,
) {
  const readiness = latest.begin();
  const { edge, kube, hostname } = settings;
  const { identity, bus } = scope.use(
    await joinProcess({
      joinUrls: config.joinUrls,
      trust: { caPin: config.caPins, caFile: config.caFile },
      token: config.joinToken,
      roles: [...(edge ? ['Proxy'] : []), ...(kube ? ['Kube'] : [])],
      hostname,
      dataDir: config.dataDir,
      busServers,
      // An edge reaches the services without a proxy, which is for agents elsewhere.
      outbound: edge ? undefined : outboundOf(config),
      views: viewsOf({ edge: edge !== undefined, kube: kube?.selector }),
      telemetry,
      clock,
      signal,
    }),
  );
  const { held, agentId } = identity;
  const service = scope.use(
    await kubeProxyService(
      { bus, held, agentId, telemetry, clock, readiness, busCa: () => identity.bus.ca },
      settings,
    ),
  );
  await service.ready;
  const url = edge && `https://${formatAddress({ host: edge.listen.host, port: service.edgePort! })}`;
  telemetry.log.info('kube-proxy is ready', { ...(url ? { url } : {}), roles: config.roles.join(',') });
  return { identity, url };
}
