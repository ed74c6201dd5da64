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
  /** Settles when all of it, which was found to be whole, outlives a crash of the machine, at the place where it stays. */
  settle(ref: ContentRef, whole: WholeContent): Promise<void>;
  /** Lets go of what the place where it stays does not need. Answers what the row must say from then on. */
  release(trx: Transaction<InventoryDb>, ref: ContentRef): Promise<Pick<ContentRef, 'content'>>;
}

/** What a content comes to. */
export interface WholeContent {
  readonly bytes: number;
  readonly sha256: string;
}

export interface Part {
  readonly offset: number;
  readonly data: Buffer;
}
