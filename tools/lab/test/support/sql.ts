// oxlint-disable-next-line no-restricted-imports -- the lab may not depend on the event store, which is tested with the lab
import { Client } from 'pg';

/** Runs one statement over a connection of its own and answers its rows. */
export async function sql(url: string, statement: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}
