import { connectBus } from '@postern/bus';
import { systemClock as clock } from '@postern/core';
import { diagServer, Readiness } from '@postern/http';
import { type Logger, startTelemetry } from '@postern/telemetry';
import { ownAccess } from './bus/own-access.ts';
import type { JoinConfig } from './config.ts';
import { openJoinStore } from './database.ts';
import { joinService } from './service.ts';

/** A join-svc with everything that it runs on. Closing it closes all of that, in reverse order. */
export interface RunningJoinSvc extends AsyncDisposable {
  /** Where other processes join. */
  readonly url: string;
  readonly diagUrl: string;
  readonly log: Logger;
}

/** Starts join-svc as its configuration says: alone in a process, or beside the other services in one. */
export async function startJoinSvc(config: JoinConfig): Promise<RunningJoinSvc> {
  await using scope = new AsyncDisposableStack();
  const readiness = new Readiness();
  const telemetry = scope.use(startTelemetry('join-svc', config.telemetry));
  const diag = await scope.use(diagServer({ telemetry, readiness })).listen(config.diagListen);
  const store = scope.use(await openJoinStore(config.postgresUrl, { telemetry, clock }));
  const { agentId, connection } = ownAccess(config, { telemetry, clock });
  const bus = scope.use(
    await connectBus({ servers: config.natsServers, name: agentId, telemetry, ...connection }),
  );
  const service = scope.use(await joinService({ store, bus, telemetry, clock, readiness, agentId }, config));
  const { url } = await service.listen(config.listen);
  telemetry.log.info('join-svc is ready', { url });
  const open = scope.move();
  return { url, diagUrl: diag.url, log: telemetry.log, [Symbol.asyncDispose]: () => open.disposeAsync() };
}
