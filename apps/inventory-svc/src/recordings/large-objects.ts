import { type Kysely, sql, type Transaction } from 'kysely';
import type { InventoryDb } from '../database.ts';
import type { ContentRef, ContentStore } from './content-store.ts';

/** Contents that may also be elsewhere in the end. */
export interface LargeObjects extends ContentStore {
  remove(trx: Transaction<InventoryDb>, ref: ContentRef): Promise<void>;
}

/** Contents as large objects of Postgres, written in the transaction of their rows. */
export function largeObjects(db: Kysely<InventoryDb>): LargeObjects {
  return {
    async write(trx, { content }, { offset, data }) {
      const oid = content ?? (await oneOf<number>(sql`select lo_create(0) as value`.execute(trx)));
      await sql`select lo_put(${oid}::oid, ${offset}::bigint, ${data}::bytea)`.execute(trx);
      return { content: oid };
    },
    async read({ content }, offset, length) {
      if (content === null) return Buffer.alloc(0);
      return oneOf<Buffer>(
        sql`select lo_get(${content}::oid, ${offset}::bigint, ${length}::int) as value`.execute(db),
      );
    },
    settle: async () => undefined,
    release: async (_, { content }) => ({ content }),
    async remove(trx, { content }) {
      if (content !== null) await sql`select lo_unlink(${content}::oid)`.execute(trx);
    },
  };
}

async function oneOf<T>(result: Promise<{ readonly rows: unknown[] }>): Promise<T> {
  return ((await result).rows[0] as { value: T }).value;
}
