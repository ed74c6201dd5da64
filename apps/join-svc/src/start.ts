import { readFileSync } from 'node:fs';
import { type BusOperator, connectBus, openBusOperator } from '@postern/bus';
import { systemClock as clock } from '@postern/core';
import { diagServer, Readiness } from '@postern/http';
import { sealerFrom } from '@postern/identity';
import { type Logger, startTelemetry, type Telemetry } from '@postern/telemetry';
import { openOperatorFile } from './bus/operator-file.ts';
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
  const ca = config.busCaFile === undefined ? {} : { ca: readFileSync(config.busCaFile, 'utf8') };
  const { agentId, connection } = ownAccess(config, { telemetry, clock });
  const bus = scope.use(
    await connectBus({ servers: config.natsServers, name: agentId, telemetry, ...connection, ...ca }),
  );
  const operator = scope.use(await openOperator(config, { name: agentId, telemetry, ...ca }));
  const deps = { store, bus, operator, telemetry, clock, readiness, agentId };
  const service = scope.use(await joinService(deps, { ...config, busCa: ca.ca }));
  const { url } = await service.listen(config.listen);
  telemetry.log.info('join-svc is ready', { url });
  const open = scope.move();
  return { url, diagUrl: diag.url, log: telemetry.log, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

/** The bus as its operator, where the configuration holds the keys for it. */
async function openOperator(
  { natsServers, busAccountSeed, busOperator, key }: JoinConfig,
  connection: { readonly name: string; readonly telemetry: Telemetry; readonly ca?: string },
): Promise<BusOperator | undefined> {
  if (busOperator === undefined || busAccountSeed === undefined) return undefined;
  const file = await openOperatorFile(sealerFrom(key), busOperator);
  const secrets = { ...file, accountSeed: busAccountSeed.reveal() };
  return openBusOperator({ ...connection, servers: natsServers, secrets, clock });
}
