import { join } from 'node:path';
import { startNats, startPostgres } from '@postern/lab';

/** A Postgres that syncs its commits and a nats-server with JetStream, both new and empty. */
export interface Servers {
  readonly postgresUrl: string;
  readonly natsUrl: string;
}

/** Starts both; they end with the scope. */
export async function startServers(folder: string, scope: AsyncDisposableStack): Promise<Servers> {
  const postgres = scope.use(await startPostgres({ dataDir: join(folder, 'postgres'), durable: true }));
  const nats = scope.use(await startNats({ dir: join(folder, 'nats') }));
  return { postgresUrl: postgres.url, natsUrl: nats.url };
}
