import { hostname } from 'node:os';
import { type Beginning, type BesideOthers, joinProcess, keepService } from '@postern/agent';
import { selectorHash } from '@postern/contracts';
import { systemClock } from '@postern/core';
import { diagServer, LatestReadiness } from '@postern/http';
import { type Logger, startTelemetry, type Telemetry } from '@postern/telemetry';
import type { DiscoverySection } from '@postern/config';
import { awsEnvironmentOf, type DiscoveryConfig } from './config.ts';
import { readSection } from './read-section.ts';
import { discoverySelector, discoveryService } from './service.ts';

const clock = systemClock;

/** A member of a discovery group. */
export interface RunningDiscoverySvc extends AsyncDisposable {
  readonly diagUrl: string;
  readonly log: Logger;
  /** Settles only when it cannot go on: with the error why. */
  readonly ended: Promise<never>;
}

/** What is the same however often the service begins. */
interface Ground extends BesideOthers {
  readonly config: DiscoveryConfig;
  readonly section: DiscoverySection;
  readonly telemetry: Telemetry;
  readonly readiness: LatestReadiness;
}

/** Starts discovery-svc with everything it needs, alone in its process or beside others. Answers once it is ready. */
export async function startDiscoverySvc(
  config: DiscoveryConfig,
  { busServers }: BesideOthers = {},
): Promise<RunningDiscoverySvc> {
  await using opening = new AsyncDisposableStack();
  const section = await readSection(config);
  const readiness = new LatestReadiness();
  const telemetry = opening.use(startTelemetry('discovery-svc', config.telemetry));
  const diag = await opening.use(diagServer({ telemetry, readiness })).listen(config.diagListen);
  const ground = { config, section, busServers, telemetry, readiness };
  const { ended } = opening.use(
    await keepService((beginning) => begin(ground, beginning), { name: 'discovery-svc', telemetry }),
  );
  const open = opening.move();
  return { ended, diagUrl: diag.url, log: telemetry.log, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

async function begin(
  { config, section, busServers, telemetry, readiness: latest }: Ground,
  { scope, signal }: Beginning,
) {
  const readiness = latest.begin();
  const { identity, bus } = scope.use(
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
      signal,
    }),
  );
  const deps = { bus, agentId: identity.agentId, telemetry, clock, readiness };
  const { heartbeatIntervalMs, allowLoopback } = config;
  const env = awsEnvironmentOf(config);
  const service = scope.use(discoveryService(deps, { section, heartbeatIntervalMs, env, allowLoopback }));
  await service.ready;
  telemetry.log.info('discovery-svc is ready', { group: section.discoveryGroup });
  return { identity };
}
