import { hostname } from 'node:os';
import { joinProcess } from '@postern/agent';
import { systemClock as clock } from '@postern/core';
import { diagServer, Readiness } from '@postern/http';
import { type Logger, startTelemetry } from '@postern/telemetry';
import type { ResourceConfig } from './config.ts';
import { openResourceStore } from './open-resource-store.ts';
import { resourceService } from './service.ts';

/** A resource-svc with everything that it runs on. Closing it closes all of that, in reverse order. */
export interface RunningResourceSvc extends AsyncDisposable {
  readonly url: string;
  readonly diagUrl: string;
  readonly log: Logger;
}

/** Starts resource-svc as its configuration says: alone in a process, or beside the other services in one. */
export async function startResourceSvc(config: ResourceConfig): Promise<RunningResourceSvc> {
  await using scope = new AsyncDisposableStack();
  const readiness = new Readiness();
  const telemetry = scope.use(startTelemetry('resource-svc', config.telemetry));
  const diag = await scope.use(diagServer({ telemetry, readiness })).listen(config.diagListen);
  const { identity, bus } = scope.use(
    await joinProcess({
      joinUrls: config.joinUrls,
      trust: { caPin: config.caPins, caFile: config.caFile },
      token: config.joinToken,
      roles: ['Auth'],
      service: 'resource-svc',
      hostname: hostname(),
      dataDir: config.dataDir,
      busServers: config.natsServers,
      telemetry,
      clock,
    }),
  );
  const store = scope.use(await openResourceStore(config.postgresUrl, { telemetry, clock }));
  const deps = { store, bus, identity: identity.held, telemetry, clock, readiness };
  const service = scope.use(await resourceService(deps, config));
  const { url } = await service.listen(config.listen);
  telemetry.log.info('resource-svc is ready', { url });
  const open = scope.move();
  return { url, diagUrl: diag.url, log: telemetry.log, [Symbol.asyncDispose]: () => open.disposeAsync() };
}
