import { AuthorityCreated } from '@postern/contracts';
import { type Clock, derivedUuid, failure } from '@postern/core';
import { fold } from '@postern/event-store';
import { type Authority, caPin, createAuthority, type Sealer } from '@postern/identity';
import { sql, type Transaction } from 'kysely';
import type { JoinDb, JoinStore } from '../database.ts';
import { rotationDecider, type RotationState } from '../rotation/rotation.ts';
import { type Authorities, authoritiesFrom } from './authorities.ts';
import { type AuthorityRow, insertAuthority, openAuthority, readAuthorityRows } from './authority-rows.ts';

/** The database holds the authorities of a cluster of another name. */
const OtherCluster = failure(
  'failed_precondition',
  'join.other_cluster',
  (found: string, wanted: string) => `this database belongs to the cluster ${found}, not to ${wanted}`,
);

/** The authorities in the database do not fit what was recorded of them. */
const AuthoritiesUnreadable = failure(
  'internal',
  'join.authorities_unreadable',
  () => 'the certificate authorities are not what was recorded of them: was the database restored in part?',
);

export interface AuthorityDeps {
  readonly store: JoinStore;
  readonly sealer: Sealer;
  readonly clock: Clock;
}

/** The stream of rotations; there is one for a cluster. */
export const rotationStream = 'rotation/authorities';

/** The authorities of this moment, in this replica. */
export class LiveAuthorities {
  readonly #deps: AuthorityDeps;
  readonly #opened = new Map<string, Authority>();
  readonly #listeners = new Set<(authorities: Authorities) => Promise<void>>();
  #rotation: RotationState = rotationDecider.initial;
  #revision = 0;
  #current: Authorities | undefined;
  #refreshing: Promise<void> = Promise.resolve();

  constructor(deps: AuthorityDeps) {
    this.#deps = deps;
  }

  current(): Authorities {
    if (!this.#current) throw AuthoritiesUnreadable();
    return this.#current;
  }

  /** Called, and waited for, after each change. */
  onChange(listener: (authorities: Authorities) => Promise<void>): void {
    this.#listeners.add(listener);
  }

  /** Reads what was recorded since. One at a time, since what is read later must not be overtaken. */
  refresh(): Promise<void> {
    const next = this.#refreshing.catch(() => {}).then(() => this.#refresh());
    this.#refreshing = next;
    return next;
  }

  async #refresh(): Promise<void> {
    const events = await this.#deps.store.load(rotationStream, { after: this.#revision });
    if (events.length === 0 && this.#current) return;
    const rotation = fold(rotationDecider, events, this.#rotation);
    const revision = this.#revision + events.length;
    const rows = await readAuthorityRows(this.#deps.store.db);
    await this.#open(rows);
    const next = authoritiesFrom({ rows, rotation, revision, opened: this.#opened, clock: this.#deps.clock });
    // A key that this phase needs was destroyed meanwhile: the phase that did so is read the next time.
    if (!next) return;
    this.#rotation = rotation;
    this.#revision = revision;
    this.#current = next;
    for (const listener of this.#listeners) await listener(next);
  }

  async #open(rows: readonly AuthorityRow[]): Promise<void> {
    for (const row of rows) {
      if (row.sealed_key === null) this.#opened.delete(row.pin);
      else if (!this.#opened.has(row.pin)) this.#opened.set(row.pin, (await openAuthority(row, this.#deps))!);
    }
  }
}

/** Opens the authorities, and makes them at the very first start. Of several replicas, one makes and the others find. */
export async function openAuthorities(deps: AuthorityDeps, clusterName: string): Promise<LiveAuthorities> {
  await deps.store.transaction(async (trx) => {
    await sql`select pg_advisory_xact_lock(hashtextextended('postern.join.authorities', 0))`.execute(trx);
    const rows = await readAuthorityRows(trx);
    const [found] = rows;
    if (found && found.cluster_name !== clusterName) throw OtherCluster(found.cluster_name, clusterName);
    for (const use of ['host', 'user'] as const)
      if (!rows.some((row) => row.use === use)) await makeFirst(deps, trx, { use, clusterName });
  });
  const live = new LiveAuthorities(deps);
  await live.refresh();
  live.current();
  return live;
}

async function makeFirst(
  { store, sealer, clock }: AuthorityDeps,
  trx: Transaction<JoinDb>,
  { use, clusterName }: { readonly use: Authority['use']; readonly clusterName: string },
): Promise<void> {
  const authority = await createAuthority({ use, clusterName, clock });
  await insertAuthority(trx, sealer, { authority });
  const { certificate } = authority;
  const pin = caPin(certificate);
  const id = derivedUuid('authority', pin);
  await store.append(
    [{ stream: `authority/${use}`, version: 1, id, event: AuthorityCreated({ use, pin, certificate }) }],
    { trx },
  );
}
