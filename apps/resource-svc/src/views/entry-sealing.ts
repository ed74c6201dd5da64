import { sealEpochOf, type ViewEntry } from '@postern/contracts';
import { type Sealer, sealForView, type ViewKeys } from '@postern/identity';
import type { Kysely } from 'kysely';
import type { ResourceDb } from '../database.ts';
import { streamOf } from '../resources/resource-name.ts';
import { findResources } from '../resources/resource-table.ts';
import { openSecretsOfAll } from '../resources/secrets.ts';
import type { ViewPut } from './view-matcher.ts';

interface CurrentKey {
  readonly epoch: number;
  readonly key: string;
}

/** Puts sealed secrets into the entries of the views that show them. */
export class EntrySealing {
  readonly #store: { readonly db: Kysely<ResourceDb>; readonly sealer: Sealer };
  readonly #keys = new Map<string, CurrentKey>();

  constructor(store: { readonly db: Kysely<ResourceDb>; readonly sealer: Sealer }) {
    this.#store = store;
  }

  /** Seals with the latest of these keys from now on, and answers its epoch. A view without keys shows no secrets. */
  use(hash: string, keys: ViewKeys): number | undefined {
    const latest = [...keys].at(-1);
    if (!latest) this.#keys.delete(hash);
    else this.#keys.set(hash, { epoch: latest[0], key: latest[1] });
    return latest?.[0];
  }

  /** Whether an entry that is on the bus is sealed as it should be. */
  isCurrent(hash: string, { sealed }: ViewEntry): boolean {
    const current = this.#keys.get(hash);
    return !current || (sealed !== undefined && sealEpochOf(sealed) === current.epoch);
  }

  async seal(puts: readonly ViewPut[]): Promise<readonly ViewPut[]> {
    const wanted = puts.filter(({ hash, entry }) => entry.resource && this.#keys.has(hash));
    if (wanted.length === 0) return puts;
    const texts = await this.#textsOf(wanted.map(({ entry }) => entry));
    return Promise.all(
      puts.map(async ({ hash, entry }) => {
        const key = entry.resource && this.#keys.get(hash);
        const text = texts.get(placeOf(entry));
        if (!key || text === undefined) return { hash, entry };
        return { hash, entry: { ...entry, sealed: await sealForView(key, { ...entry, hash }, text) } };
      }),
    );
  }

  /**
   * The secrets of exactly these revisions. One that has been replaced meanwhile is left out and goes without: its successor
   * may not even belong into the same view, and is on its way.
   */
  async #textsOf(entries: readonly ViewEntry[]): Promise<ReadonlyMap<string, string>> {
    const places = new Set(entries.map(placeOf));
    const refs = new Map(entries.map((entry) => [streamOf(entry), entry]));
    const rows = (await findResources(this.#store.db, [...refs.values()])).filter((row) =>
      places.has(placeOf({ ...row, rev: row.version })),
    );
    const opened = await openSecretsOfAll(this.#store, rows);
    return new Map(
      rows.flatMap((row, index) => {
        const secrets = opened[index]!;
        if (secrets.size < Object.keys(row.secrets).length) return [];
        const plain = [...secrets].map(([path, secret]) => [path, secret.reveal()] as const);
        return [[placeOf({ ...row, rev: row.version }), JSON.stringify(Object.fromEntries(plain))] as const];
      }),
    );
  }
}

function placeOf({ kind, id, rev }: Pick<ViewEntry, 'kind' | 'id' | 'rev'>): string {
  return `${streamOf({ kind, id })}@${rev}`;
}
