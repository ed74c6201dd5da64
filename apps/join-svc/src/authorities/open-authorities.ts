import { AuthorityCreated } from '@postern/contracts';
import { type Clock, derivedUuid, failure } from '@postern/core';
import { type Authority, caPin, createAuthority, type Sealer } from '@postern/identity';
import { sql, type Transaction } from 'kysely';
import type { JoinDb, JoinStore } from '../database.ts';

/** The two certificate authorities of a cluster. */
export interface Authorities {
  readonly host: Authority;
  readonly user: Authority;
}

/** The database holds the authorities of a cluster of another name. */
const OtherCluster = failure(
  'failed_precondition',
  'join.other_cluster',
  (found: string, wanted: string) => `this database belongs to the cluster ${found}, not to ${wanted}`,
);

interface AuthorityDeps {
  readonly store: JoinStore;
  readonly sealer: Sealer;
  readonly clock: Clock;
}

/** Opens the authorities, and makes them at the very first start. Of several replicas, one makes and the others find. */
export function openAuthorities(deps: AuthorityDeps, clusterName: string): Promise<Authorities> {
  return deps.store.transaction(async (trx) => {
    await sql`select pg_advisory_xact_lock(hashtextextended('postern.join.authorities', 0))`.execute(trx);
    const host =
      (await findAuthority(deps, trx, 'host')) ??
      (await makeAuthority(deps, trx, { use: 'host', clusterName }));
    const user =
      (await findAuthority(deps, trx, 'user')) ??
      (await makeAuthority(deps, trx, { use: 'user', clusterName }));
    if (host.clusterName !== clusterName) throw OtherCluster(host.clusterName, clusterName);
    return { host, user };
  });
}

type Use = Authority['use'];

async function findAuthority(
  { sealer, clock }: AuthorityDeps,
  trx: Transaction<JoinDb>,
  use: Use,
): Promise<Authority | undefined> {
  const row = await trx.selectFrom('authority').selectAll().where('use', '=', use).executeTakeFirst();
  if (!row) return undefined;
  const privateKey = await sealer.unseal(row.sealed_key, placeOf(use, row.pin));
  return { use, clusterName: row.cluster_name, certificate: row.certificate, privateKey, clock };
}

async function makeAuthority(
  { store, sealer, clock }: AuthorityDeps,
  trx: Transaction<JoinDb>,
  { use, clusterName }: { readonly use: Use; readonly clusterName: string },
): Promise<Authority> {
  const authority = await createAuthority({ use, clusterName, clock });
  const { certificate, privateKey } = authority;
  const pin = caPin(certificate);
  const sealed_key = await sealer.seal(privateKey.reveal(), placeOf(use, pin));
  await trx
    .insertInto('authority')
    .values({ use, cluster_name: clusterName, pin, certificate, sealed_key })
    .execute();
  const id = derivedUuid('authority', pin);
  await store.append(
    [{ stream: `authority/${use}`, version: 1, id, event: AuthorityCreated({ use, pin, certificate }) }],
    { trx },
  );
  return authority;
}

/** Where a sealed key belongs; it does not open elsewhere. */
function placeOf(use: Use, pin: string): string {
  return `join/authority/${use}/${pin}`;
}
