import { join } from 'node:path';
import { type Nats, startNats, startPostgres } from '@postern/lab';

/** A Postgres that syncs its commits and a nats-server with JetStream, both new and empty. */
export interface Servers {
  readonly postgresUrl: string;
  readonly natsUrl: string;
  readonly natsPid: number;
  /** The one that starts the others. */
  readonly postgresPid: number;
}

/** When JetStream has the operating system write to the disk: so often, or before each acknowledgement. */
export type SyncInterval = '1s' | 'always';

/** Starts both; they end with the scope. */
export async function startServers(folder: string, scope: AsyncDisposableStack): Promise<Servers> {
  const postgres = scope.use(await startPostgres({ dataDir: join(folder, 'postgres'), durable: true }));
  const nats = scope.use(await startNats({ dir: join(folder, 'nats') }));
  return { postgresUrl: postgres.url, natsUrl: nats.url, natsPid: nats.pid, postgresPid: postgres.pid };
}

/** A nats-server that syncs as told; of a setting that is there twice the later one counts. */
export function startNatsThatSyncs(dir: string, interval: SyncInterval): Promise<Nats> {
  const config = `jetstream { store_dir: ${JSON.stringify(join(dir, 'js'))}, sync_interval: "${interval}" }\n`;
  return startNats({ dir, config });
}
