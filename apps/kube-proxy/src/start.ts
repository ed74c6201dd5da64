import { type BesideOthers, joinProcess } from '@postern/agent';
import { formatAddress } from '@postern/config';
import { systemClock as clock } from '@postern/core';
import { diagServer, Readiness } from '@postern/http';
import { type Logger, startTelemetry } from '@postern/telemetry';
import { type KubeProxyConfig, outboundOf, serviceConfigOf } from './config.ts';
import { kubeProxyService, viewsOf } from './kube-proxy.ts';
import { readSection } from './read-section.ts';
import { tuneMemory } from './tune-memory.ts';

/** A kube-proxy with everything that it runs on. Closing it closes all of that, in reverse order. */
export interface RunningKubeProxy extends AsyncDisposable {
  /** The public address, where this process has the edge role. */
  readonly url: string | undefined;
  readonly diagUrl: string;
  readonly log: Logger;
}

/** Starts kube-proxy as its configuration says: alone in a process, or beside the other services in one. */
export async function startKubeProxy(
  config: KubeProxyConfig,
  { busServers = config.natsServers }: BesideOthers = {},
): Promise<RunningKubeProxy> {
  tuneMemory();
  await using scope = new AsyncDisposableStack();
  const settings = serviceConfigOf(config, await readSection(config.configFile));
  const { edge, kube, hostname } = settings;
  const readiness = new Readiness();
  const telemetry = scope.use(startTelemetry('kube-proxy', config.telemetry));
  const diag = await scope.use(diagServer({ telemetry, readiness })).listen(config.diagListen);
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
  const open = scope.move();
  return { url, diagUrl: diag.url, log: telemetry.log, [Symbol.asyncDispose]: () => open.disposeAsync() };
}
