import type { Transaction } from 'kysely';
import type { InventoryDb } from '../database.ts';

/** A recording, as those who keep contents know it. */
export interface ContentRef {
  readonly sessionId: string;
  /** Of the large object, where there is one. */
  readonly content: number | null;
}

/** Where the content of recordings is kept. */
export interface ContentStore {
  /** Writes bytes at a place, over what is there. Answers what the row of the recording must say. */
  write(trx: Transaction<InventoryDb>, ref: ContentRef, part: Part): Promise<Pick<ContentRef, 'content'>>;
  /** The bytes from a place on; fewer at the end. */
  read(ref: ContentRef, offset: number, length: number): Promise<Buffer>;
  /** Settles when everything that was written outlives a crash of the machine. */
  settle(ref: ContentRef): Promise<void>;
}

export interface Part {
  readonly offset: number;
  readonly data: Buffer;
}
