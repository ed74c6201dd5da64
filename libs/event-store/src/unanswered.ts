import type pg from 'pg';

/**
 * Sends a query and closes the connection when no answer comes in time: a server that is gone without a word, behind a broken
 * network or after a failover, would be waited for until TCP gives up, which takes a quarter of an hour or for ever.
 */
export async function answeredWithin<T>(
  client: pg.ClientBase,
  ms: number,
  query: () => Promise<T>,
): Promise<T> {
  const timer = setTimeout(() => void (client as pg.Client).end().catch(() => {}), ms);
  try {
    return await query();
  } finally {
    clearTimeout(timer);
  }
}
