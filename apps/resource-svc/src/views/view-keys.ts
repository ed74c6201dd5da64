import { newViewKey, type Sealer, type ViewKeys } from '@postern/identity';
import { type Kysely, sql } from 'kysely';
import type { ResourceDb } from '../database.ts';

type Db = Kysely<ResourceDb>;

/** A key of a view as the database keeps it. */
export interface SealedViewKey {
  readonly hash: string;
  readonly epoch: number;
  readonly sealed: string;
}

interface KeyStore {
  readonly db: Db;
  readonly sealer: Sealer;
}

/** A new key for a view, with an epoch that no key had before. */
export async function makeViewKey({ db, sealer }: KeyStore, hash: string): Promise<SealedViewKey> {
  const { rows } = await sql<{ epoch: number }>`select nextval('view_epoch')::integer as epoch`.execute(db);
  const { epoch } = rows[0]!;
  return { hash, epoch, sealed: await sealer.seal(newViewKey(), contextOf(hash, epoch)) };
}

export async function addViewKey(db: Db, { hash, epoch, sealed }: SealedViewKey): Promise<void> {
  await db.insertInto('view_key').values({ hash, epoch, sealed }).execute();
}

/** Gives a view its first key, unless it has one. */
export async function addFirstViewKey(db: Db, { hash, epoch, sealed }: SealedViewKey): Promise<void> {
  await sql`
    insert into view_key (hash, epoch, sealed) select ${hash}, ${epoch}::integer, ${sealed}
    where not exists (select from view_key where hash = ${hash})`.execute(db);
}

/** Every key that entries of a view may be sealed with at this moment; the highest epoch is the current one. */
export async function findViewKeys({ db, sealer }: KeyStore, hash: string): Promise<ViewKeys> {
  const rows = await db
    .selectFrom('view_key')
    .select(['epoch', 'sealed'])
    .where('hash', '=', hash)
    .orderBy('epoch')
    .execute();
  const opened = rows.map(async ({ epoch, sealed }) => {
    const key = await sealer.unseal(sealed, contextOf(hash, epoch));
    return [epoch, key.reveal()] as const;
  });
  return new Map(await Promise.all(opened));
}

/** Shreds the keys that nothing is sealed with any more. */
export async function dropOlderKeys(db: Db, hash: string, epoch: number): Promise<void> {
  await db.deleteFrom('view_key').where('hash', '=', hash).where('epoch', '<', epoch).execute();
}

/** Notes that an agent is about to be given keys. False when one of them is gone meanwhile. */
export async function noteHolder(
  db: Db,
  { hash, agentId, epochs }: { hash: string; agentId: string; epochs: readonly number[] },
): Promise<boolean> {
  const { rows } = await sql`
    with keys as (select epoch from view_key where hash = ${hash} and epoch = any(${[...epochs]}::integer[]) for key share),
    held as (insert into view_key_holder (hash, epoch, agent_id) select ${hash}, epoch, ${agentId} from keys on conflict do nothing)
    select epoch from keys`.execute(db);
  return rows.length === epochs.length;
}

/**
 * Agents that know the current key of a view and have not read the view since a time, or were revoked, by view. A revocation
 * ends leases, but a page that was asked for just before it may take one again.
 */
export async function leaversByView(db: Db, since: Date): Promise<ReadonlyMap<string, readonly string[]>> {
  const { rows } = await sql<{ hash: string; agents: string[] }>`
    select holder.hash, array_agg(holder.agent_id order by holder.agent_id) as agents
    from view_key_holder holder
    where holder.epoch = (select max(epoch) from view_key newest where newest.hash = holder.hash)
      and (not exists (
        select from view_reader reader
        where reader.hash = holder.hash and reader.agent_id = holder.agent_id and reader.last_seen >= ${since})
      or exists (
        select from agent_roles agent where agent.agent_id = holder.agent_id and agent.revoked_at is not null))
    group by holder.hash`.execute(db);
  return new Map(rows.map(({ hash, agents }) => [hash, agents]));
}

function contextOf(hash: string, epoch: number): string {
  return JSON.stringify(['view', hash, 'key', epoch]);
}
