import { hostname } from 'node:os';
import { type Beginning, joinProcess, keepService } from '@postern/agent';
import { systemClock as clock } from '@postern/core';
import { diagServer, LatestReadiness, type ListenAddress } from '@postern/http';
import { type Logger, startTelemetry, type Telemetry } from '@postern/telemetry';
import type { ResourceConfig } from './config.ts';
import { openResourceStore } from './open-resource-store.ts';
import { resourceService } from './service.ts';

/** A resource-svc with everything that it runs on. Closing it closes all of that, in reverse order. */
export interface RunningResourceSvc extends AsyncDisposable {
  readonly url: string;
  readonly diagUrl: string;
  readonly log: Logger;
  /** Settles only when it cannot go on: with the error why. */
  readonly ended: Promise<never>;
}

/** What is the same however often the service begins. */
interface Ground {
  readonly config: ResourceConfig;
  readonly telemetry: Telemetry;
  readonly readiness: LatestReadiness;
  /** The port that was free is kept: others know it. */
  listen: ListenAddress;
}

/** Starts resource-svc as its configuration says: alone in a process, or beside the other services in one. */
export async function startResourceSvc(config: ResourceConfig): Promise<RunningResourceSvc> {
  await using scope = new AsyncDisposableStack();
  const readiness = new LatestReadiness();
  const telemetry = scope.use(startTelemetry('resource-svc', config.telemetry));
  const diag = await scope.use(diagServer({ telemetry, readiness })).listen(config.diagListen);
  const ground = { config, telemetry, readiness, listen: config.listen };
  const { first, ended } = scope.use(
    await keepService((beginning) => begin(ground, beginning), {
      name: 'resource-svc',
      telemetry,
      staysWhenTaken: true,
    }),
  );
  const { url } = first;
  const open = scope.move();
  const close = () => open.disposeAsync();
  return { url, ended, diagUrl: diag.url, log: telemetry.log, [Symbol.asyncDispose]: close };
}

async function begin(ground: Ground, { scope, signal }: Beginning) {
  const { config, telemetry } = ground;
  const readiness = ground.readiness.begin();
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
      signal,
    }),
  );
  const store = scope.use(await openResourceStore(config.postgresUrl, { telemetry, clock }));
  const deps = { store, bus, identity: identity.held, telemetry, clock, readiness };
  const service = scope.use(await resourceService(deps, config));
  const { url, port } = await service.listen(ground.listen);
  ground.listen = { ...ground.listen, port };
  telemetry.log.info('resource-svc is ready', { url });
  return { identity, url };
}
