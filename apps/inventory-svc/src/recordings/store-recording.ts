import { createHash } from 'node:crypto';
import {
  type DataOf,
  KubeSessionRecorded,
  recordingPartBytes,
  type RecordingProgress,
  type RecordingUpload,
} from '@postern/contracts';
import { type Clock, derivedUuid } from '@postern/core';
import type { EventStore } from '@postern/event-store';
import { type Principal, spiffeId } from '@postern/identity';
import type { Selectable, Transaction } from 'kysely';
import type { InventoryDb, RecordingTable } from '../database.ts';
import type { ContentRef, ContentStore } from './content-store.ts';
import { PartOutOfPlace, RecordingDiffers, RecordingTooLarge, UploadNotFound } from './failures.ts';

/** What the storing of recordings works with. */
export interface RecordingDeps {
  readonly store: EventStore<InventoryDb>;
  readonly contents: ContentStore;
  readonly clock: Clock;
  readonly maxRecordingBytes: number;
}

type Row = Selectable<RecordingTable>;

/** Announces a recording, and stores it when all of it has come. The same again changes nothing. */
export async function announce(
  deps: RecordingDeps,
  upload: RecordingUpload,
  edge: Principal,
): Promise<RecordingProgress> {
  const { store, maxRecordingBytes } = deps;
  if (upload.bytes > maxRecordingBytes) throw RecordingTooLarge(upload.bytes, maxRecordingBytes);
  const { session } = upload;
  await store.db
    .insertInto('recording')
    .values({
      session_id: session.sessionId,
      edge: edge.id,
      username: session.user,
      cluster: session.cluster,
      started_at: new Date(session.startedAt),
      head: JSON.stringify(session),
      command: upload.command,
      bytes: upload.bytes,
      sha256: upload.sha256,
      is_complete: upload.isComplete,
    })
    .onConflict((conflict) => conflict.column('session_id').doNothing())
    .execute();
  const row = await store.transaction((trx) => lockedRow(trx, session.sessionId));
  if (row.sha256 !== upload.sha256 || row.edge !== edge.id) throw RecordingDiffers(session.sessionId);
  if (row.stored_at || row.received_bytes < row.bytes) return progressOf(row);
  return finish(deps, row, edge);
}

/** Keeps the next part of a recording. One that came already is passed over. */
export async function receive(
  { store, contents }: RecordingDeps,
  { id, offset, data }: { readonly id: string; readonly offset: number; readonly data: Buffer },
  edge: Principal,
): Promise<RecordingProgress> {
  return store.transaction(async (trx) => {
    const row = await lockedRow(trx, id);
    if (row.edge !== edge.id) throw RecordingDiffers(id);
    if (row.stored_at || offset + data.length <= row.received_bytes) return progressOf(row);
    if (offset !== row.received_bytes || offset + data.length > row.bytes)
      throw PartOutOfPlace(row.received_bytes);
    const { content } = await contents.write(trx, refOf(row), { offset, data });
    const received = offset + data.length;
    await trx
      .updateTable('recording')
      .set({ received_bytes: received, content })
      .where('session_id', '=', id)
      .execute();
    return { receivedBytes: received, isStored: false };
  });
}

/** Without the lock of the row, since it may take long; whoever does it at the same time comes to the same end. */
async function finish(deps: RecordingDeps, row: Row, edge: Principal): Promise<RecordingProgress> {
  const { store, contents } = deps;
  const id = row.session_id;
  const isWhole = (await digestOf(contents, row)) === row.sha256;
  if (isWhole) await contents.settle(refOf(row), row);
  return store.transaction(async (trx) => {
    const locked = await lockedRow(trx, id);
    if (locked.stored_at) return progressOf(locked);
    if (isWhole) return markStored(deps, trx, locked, edge);
    await trx.updateTable('recording').set({ received_bytes: 0 }).where('session_id', '=', id).execute();
    return { receivedBytes: 0, isStored: false };
  });
}

async function markStored(
  { store, contents, clock }: RecordingDeps,
  trx: Transaction<InventoryDb>,
  row: Row,
  edge: Principal,
): Promise<RecordingProgress> {
  const id = row.session_id;
  const { content } = await contents.release(trx, refOf(row));
  const stored = { stored_at: clock(), content };
  await trx.updateTable('recording').set(stored).where('session_id', '=', id).execute();
  const event = KubeSessionRecorded({
    sessionId: id,
    user: row.username,
    cluster: row.cluster,
    bytes: row.bytes,
    sha256: row.sha256,
    isComplete: row.is_complete,
    edge: edge.id,
  });
  const item = { stream: recordingStream(id), version: 1, id: derivedUuid('recording', id), event };
  await store.append([{ ...item, meta: { actor: spiffeId(edge) } }], { trx });
  return { receivedBytes: row.bytes, isStored: true };
}

/** The stream in which it is said what the content of a recording must come to. */
export function recordingStream(sessionId: string): string {
  return `kube_recording/${sessionId}`;
}

/** What was said when a recording was stored. Rows may have been changed since; an event cannot be. */
export async function storedAs(
  store: Pick<EventStore<InventoryDb>, 'load'>,
  sessionId: string,
): Promise<DataOf<typeof KubeSessionRecorded> | undefined> {
  const [event] = await store.load(recordingStream(sessionId));
  return event && KubeSessionRecorded.read(event);
}

export function refOf(row: Pick<Row, 'session_id' | 'content'>): ContentRef {
  return { sessionId: row.session_id, content: row.content };
}

async function digestOf(contents: ContentStore, row: Row): Promise<string> {
  const hash = createHash('sha256');
  for (let offset = 0; offset < row.bytes; offset += recordingPartBytes) {
    const length = Math.min(recordingPartBytes, row.bytes - offset);
    hash.update(await contents.read(refOf(row), offset, length));
  }
  return hash.digest('hex');
}

async function lockedRow(trx: Transaction<InventoryDb>, id: string): Promise<Row> {
  const row = await trx
    .selectFrom('recording')
    .selectAll()
    .where('session_id', '=', id)
    .forUpdate()
    .executeTakeFirst();
  if (!row) throw UploadNotFound(id);
  return row;
}

function progressOf({ received_bytes: receivedBytes, stored_at: storedAt }: Row): RecordingProgress {
  return { receivedBytes, isStored: storedAt !== null };
}
