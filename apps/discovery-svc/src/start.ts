import { hostname } from 'node:os';
import { type BesideOthers, joinProcess } from '@postern/agent';
import { selectorHash } from '@postern/contracts';
import { systemClock } from '@postern/core';
import { diagServer, Readiness } from '@postern/http';
import { type Logger, startTelemetry } from '@postern/telemetry';
import { awsEnvironmentOf, type DiscoveryConfig } from './config.ts';
import { readSection } from './read-section.ts';
import { discoverySelector, discoveryService } from './service.ts';

const clock = systemClock;

/** A member of a discovery group. */
export interface RunningDiscoverySvc extends AsyncDisposable {
  readonly diagUrl: string;
  readonly log: Logger;
}

/** Starts discovery-svc with everything it needs, alone in its process or beside others. Answers once it is ready. */
export async function startDiscoverySvc(
  config: DiscoveryConfig,
  { busServers }: BesideOthers = {},
): Promise<RunningDiscoverySvc> {
  await using opening = new AsyncDisposableStack();
  const section = await readSection(config);
  const readiness = new Readiness();
  const telemetry = opening.use(startTelemetry('discovery-svc', config.telemetry));
  const diag = await opening.use(diagServer({ telemetry, readiness })).listen(config.diagListen);
  const { identity, bus } = opening.use(
    await joinProcess({
      joinUrls: config.joinUrls,
      trust: { caPin: config.caPins, caFile: config.caFile },
      token: config.joinToken,
      roles: ['Discovery'],
      hostname: hostname(),
      dataDir: config.dataDir,
      busServers,
      views: [selectorHash(discoverySelector)],
      telemetry,
      clock,
    }),
  );
  const deps = { bus, agentId: identity.agentId, telemetry, clock, readiness };
  const { heartbeatIntervalMs } = config;
  const env = awsEnvironmentOf(config);
  const service = opening.use(discoveryService(deps, { section, heartbeatIntervalMs, env }));
  await service.ready;
  telemetry.log.info('discovery-svc is ready', { group: section.discoveryGroup });
  const open = opening.move();
  return { diagUrl: diag.url, log: telemetry.log, [Symbol.asyncDispose]: () => open.disposeAsync() };
}
