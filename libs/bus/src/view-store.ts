import { JetStreamError, type StoredMsg } from '@nats-io/jetstream';
import { fromSubjectToken, type SnapshotPage, type ViewEntry, viewSubject } from '@postern/contracts';
import { failure } from '@postern/core';
import type { Bus } from './bus.ts';
import { toHeaders } from './connection.ts';

/** A view or a place in one that cannot exist. */
export const InvalidView = failure(
  'invalid_argument',
  'bus.invalid_view',
  (what: string) => `${what} is not of a view`,
);

/** An entry as it lies in the VIEW stream; without `resource` it is the tombstone of a removed one. */
export interface StoredViewEntry extends ViewEntry {
  readonly hash: string;
  readonly sequence: number;
}

/** Which entry left a view, and the revision by which it did. */
export type RemovedEntry = Pick<ViewEntry, 'kind' | 'id' | 'rev'>;

interface PageSize {
  readonly entries: number;
  readonly bytes: number;
}

const stream = 'VIEW';
const ackTimeoutMs = 5000;
// A page travels as one message of at most a megabyte.
const maxPageBytes = 512 * 1024;
const streamPage: PageSize = { entries: 5000, bytes: 4 * 1024 ** 2 };

/** Header fields of a removal, whose body is empty. */
export const viewHeaders = {
  operation: 'View-Op',
  revision: 'View-Rev',
  sequence: 'Nats-Sequence',
  previous: 'Nats-Last-Sequence',
} as const;

/** Stores an entry of a view; readers have it within milliseconds. */
export async function putViewEntry(bus: Bus, hash: string, entry: ViewEntry): Promise<void> {
  await store(bus, viewSubject(checkHash(hash), entry.kind, entry.id), JSON.stringify(entry), {});
}

/** Stores that an entry is no longer in a view. The tombstone stays: whatever forgets it brings the entry back after a crash. */
export async function removeViewEntry(
  bus: Bus,
  hash: string,
  { kind, id, rev }: RemovedEntry,
): Promise<void> {
  const headers = { [viewHeaders.operation]: 'remove', [viewHeaders.revision]: String(rev) };
  await store(bus, viewSubject(checkHash(hash), kind, id), '', headers);
}

/**
 * The page of a view after a place, empty for the first. The places are sequence numbers: an entry that changes while the
 * pages are read moves to the end and is read there, so none is missed.
 */
export async function readViewPage(
  bus: Bus,
  hash: string,
  after: string,
  limit = 500,
): Promise<SnapshotPage> {
  const filter = `view.${checkHash(hash)}.>`;
  const messages = await readMessages(bus, filter, checkPlace(after), {
    entries: limit,
    bytes: maxPageBytes,
  });
  const last = messages.at(-1);
  const entries = messages.map(entryIn).filter((entry) => entry.resource !== undefined);
  return {
    ok: true,
    entries,
    next: last && last.pending > 0 ? String(last.seq) : '',
  };
}

/** Every entry and tombstone of every view, to compare with what should be there. */
export async function readViewStream(bus: Bus): Promise<StoredViewEntry[]> {
  const all: StoredViewEntry[] = [];
  for (let after = 0; ;) {
    const messages = await readMessages(bus, 'view.>', after, streamPage);
    for (const message of messages) all.push(toStored(message));
    const last = messages.at(-1);
    if (!last || last.pending <= 0) return all;
    after = last.seq;
  }
}

/** The entry that a stored or republished message holds; `path` is its subject after `view.`. */
export function viewEntryOf(path: string, body: string, revision: string): ViewEntry {
  if (body !== '') return JSON.parse(body) as ViewEntry;
  const [, kind = '', id = ''] = path.split('.');
  return { kind, id: fromSubjectToken(id), rev: Math.max(1, Number(revision) || 1), revision: '' };
}

async function store(
  bus: Bus,
  subject: string,
  body: string,
  headers: Record<string, string>,
): Promise<void> {
  const { connection } = bus;
  const options = { headers: toHeaders(headers), timeout: ackTimeoutMs };
  await connection.answered(subject, () => connection.jetstream.publish(subject, body, options));
}

function readMessages(bus: Bus, filter: string, after: number, size: PageSize): Promise<StoredMsg[]> {
  const { connection } = bus;
  return connection.answered(stream, async () => {
    const manager = await connection.manager();
    const options = { seq: after + 1, batch: size.entries, max_bytes: size.bytes, next_by_subj: filter };
    const messages: StoredMsg[] = [];
    try {
      for await (const message of await manager.direct.getBatch(stream, options)) messages.push(message);
    } catch (error) {
      if (!isNothingThere(error)) throw error;
    }
    return messages;
  });
}

/** How the server says that no message matches: the status that ends the batch. */
function isNothingThere(error: unknown): boolean {
  return error instanceof JetStreamError && (error as { code?: unknown }).code === 404;
}

function entryIn(message: StoredMsg): ViewEntry {
  return viewEntryOf(pathOf(message), message.string(), message.header.get(viewHeaders.revision));
}

function toStored(message: StoredMsg): StoredViewEntry {
  const path = pathOf(message);
  return { ...entryIn(message), hash: path.slice(0, path.indexOf('.')), sequence: message.seq };
}

function pathOf(message: StoredMsg): string {
  return message.subject.slice('view.'.length);
}

function checkHash(hash: string): string {
  if (!/^[0-9a-f]{32}$/.test(hash)) throw InvalidView('this hash');
  return hash;
}

function checkPlace(after: string): number {
  if (!/^\d{0,15}$/.test(after)) throw InvalidView('this place');
  return Number(after);
}
