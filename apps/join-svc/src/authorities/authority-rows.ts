import type { Clock } from '@postern/core';
import { type Authority, caPin, type Sealer } from '@postern/identity';
import type { Kysely, Transaction } from 'kysely';
import type { JoinDb } from '../database.ts';

type Use = Authority['use'];

/** An authority as it is kept. */
export interface AuthorityRow {
  readonly use: Use;
  readonly cluster_name: string;
  readonly pin: string;
  readonly certificate: string;
  /** Null where it was retired: nobody signs by it any more. */
  readonly sealed_key: string | null;
  readonly chain: string | null;
  readonly retired_at: Date | null;
}

/** All authorities there ever were, the first of each use first. */
export function readAuthorityRows(db: Kysely<JoinDb>): Promise<AuthorityRow[]> {
  return db.selectFrom('authority').selectAll().orderBy('created_at').orderBy('pin').execute();
}

/** Keeps an authority, its key sealed. */
export async function insertAuthority(
  trx: Transaction<JoinDb>,
  sealer: Sealer,
  { authority, chain }: { readonly authority: Authority; readonly chain?: string | undefined },
): Promise<void> {
  const { use, clusterName, certificate, privateKey } = authority;
  const pin = caPin(certificate);
  const sealed_key = await sealer.seal(privateKey.reveal(), placeOf(use, pin));
  await trx
    .insertInto('authority')
    .values({ use, cluster_name: clusterName, pin, certificate, sealed_key, ...(chain ? { chain } : {}) })
    .execute();
}

/** Destroys the private keys of authorities that are trusted no more. */
export async function retireAuthorities(
  trx: Transaction<JoinDb>,
  pins: readonly string[],
  at: Date,
): Promise<void> {
  await trx
    .updateTable('authority')
    .set({ sealed_key: null, retired_at: at })
    .where('pin', 'in', [...pins])
    .execute();
}

/** An authority that can sign; undefined where its key was destroyed. */
export async function openAuthority(
  { use, cluster_name: clusterName, pin, certificate, sealed_key }: AuthorityRow,
  { sealer, clock }: { readonly sealer: Sealer; readonly clock: Clock },
): Promise<Authority | undefined> {
  if (sealed_key === null) return undefined;
  const privateKey = await sealer.unseal(sealed_key, placeOf(use, pin));
  return { use, clusterName, certificate, privateKey, clock };
}

/** Where a sealed key belongs; it does not open elsewhere. */
function placeOf(use: Use, pin: string): string {
  return `join/authority/${use}/${pin}`;
}
