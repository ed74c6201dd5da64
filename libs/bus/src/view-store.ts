import { JetStreamError, type StoredMsg } from '@nats-io/jetstream';
import {
  fromSubjectToken,
  subjectToken,
  type SnapshotPage,
  type ViewEntry,
  type ViewPlace,
  viewSubject,
  viewSubjects,
} from '@postern/contracts';
import { failure } from '@postern/core';
import type { Bus } from './bus.ts';
import { toHeaders } from './connection.ts';
import { copiesOf } from './smuggled.ts';

/** A view or a place in one that cannot exist. */
export const InvalidView = failure(
  'invalid_argument',
  'bus.invalid_view',
  (what: string) => `${what} is not of a view`,
);

/** An entry that no message can hold, and no page. */
export const ViewEntryTooLarge = failure(
  'invalid_argument',
  'bus.view_entry_too_large',
  (kind: string, id: string) =>
    `${kind} ${JSON.stringify(id)} is too large for a view: make it, or its secrets, smaller`,
);

/** Something lies in a view that its keeper did not write. */
export const ForeignEntry = failure(
  'unavailable',
  'bus.foreign_entry',
  () => 'the view holds what its keeper did not write; it is written again in a moment',
);

/** An entry as it lies in the VIEW stream; without `resource` it is the tombstone of a removed one. */
export interface StoredViewEntry extends ViewEntry, ViewPlace {
  readonly sequence: number;
}

/** A stretch of a view as it is stored, tombstones included; `next` is undefined after the last. */
export interface StoredPage {
  readonly entries: readonly StoredViewEntry[];
  readonly next: number | undefined;
}

interface PageSize {
  readonly entries: number;
  readonly bytes: number;
}

/** A condition on the last message of another subject; a server older than 2.11 refuses every entry because of it. */
const claimHeaders = {
  number: 'Nats-Expected-Last-Subject-Sequence',
  subject: 'Nats-Expected-Last-Subject-Sequence-Subject',
} as const;

const stream = 'VIEW';
const ackTimeoutMs = 5000;
// A page travels as one message of at most a megabyte.
const maxPageBytes = 512 * 1024;
const maxEntryBytes = 1_000_000;
const streamPage: PageSize = { entries: 5000, bytes: 4 * 1024 ** 2 };

/** Header fields of a removal, whose body is empty, and of what the server republishes. */
export const viewHeaders = {
  operation: 'View-Op',
  revision: 'View-Rev',
  sequence: 'Nats-Sequence',
  previous: 'Nats-Last-Sequence',
} as const;

/** Where whoever keeps the views says so; no reader hears of it. */
const claimSubject = 'view.keeper';

/** Says that somebody new keeps the views, and answers the number of that claim. */
export async function claimViews(bus: Bus): Promise<number> {
  const { connection } = bus;
  const options = { timeout: ackTimeoutMs };
  const claim = () => connection.jetstream.publish(claimSubject, '', options);
  return (await connection.answered(claimSubject, claim)).seq;
}

/** The number of the latest claim, or 0. */
export async function readClaim(bus: Bus): Promise<number> {
  const [message] = await readMessages(bus, claimSubject, 0, { entries: 1, bytes: 1024 });
  return message?.seq ?? 0;
}

/**
 * Stores an entry of a view, or without a resource its removal. It is refused (`WrongSequence`) unless `claim` is the number
 * of the latest claim. A tombstone stays as long as its generation: whatever forgets it brings the entry back after a crash.
 */
export async function storeViewEntry(
  bus: Bus,
  place: ViewPlace,
  entry: ViewEntry,
  claim?: number,
): Promise<void> {
  const subject = viewSubject(checkPlace(place), entry.kind, entry.id);
  const removal = { [viewHeaders.operation]: 'remove', [viewHeaders.revision]: String(entry.rev) };
  const body = entry.resource ? JSON.stringify(entry) : '';
  if (Buffer.byteLength(body) > maxEntryBytes) throw ViewEntryTooLarge(entry.kind, entry.id);
  const { connection } = bus;
  const headers = toHeaders({
    ...(entry.resource ? {} : removal),
    ...(claim === undefined
      ? {}
      : { [claimHeaders.number]: String(claim), [claimHeaders.subject]: claimSubject }),
  });
  const options = { headers, timeout: ackTimeoutMs };
  await connection.answered(subject, () => connection.jetstream.publish(subject, body, options));
}

/**
 * The page of a view after a place, empty for the first. The places are sequence numbers: an entry that changes while the
 * pages are read moves to the end and is read there, so none is missed. A place stays good when the view is written anew
 * meanwhile, since everything that is written anew comes after it.
 */
export async function readViewPage(
  bus: Bus,
  place: ViewPlace,
  after: string,
  limit = 500,
): Promise<SnapshotPage> {
  const size = { entries: limit, bytes: maxPageBytes };
  const messages = await readMessages(bus, viewSubjects(checkPlace(place)), checkAfter(after), size);
  // Left out it would look removed: whoever reads the view keeps what it has instead.
  if (messages.some(isForeign)) throw ForeignEntry();
  const last = messages.at(-1);
  const entries = messages.map(entryIn).filter((entry) => entry.resource !== undefined);
  const next = last && last.pending > 0 ? String(last.seq) : '';
  return { ok: true, entries, next, generation: place.generation };
}

/** A stretch of a view after a sequence number, as its keeper reads it. */
export async function readStoredPage(bus: Bus, place: ViewPlace, after: number): Promise<StoredPage> {
  return storedPage(await readMessages(bus, viewSubjects(checkPlace(place)), after, streamPage));
}

/** Every entry and tombstone of every view in every generation. */
export async function readViewStream(bus: Bus): Promise<StoredViewEntry[]> {
  const all: StoredViewEntry[] = [];
  for (let after: number | undefined = 0; after !== undefined;) {
    const page: StoredPage = storedPage(await readMessages(bus, 'view.*.*.*.>', after, streamPage));
    all.push(...page.entries);
    after = page.next;
  }
  return all;
}

/** Takes a whole generation of a view out of the stream. A crash may bring parts of it back, which no reader minds. */
export async function purgeView(bus: Bus, place: ViewPlace): Promise<void> {
  const filter = viewSubjects(checkPlace(place));
  const { connection } = bus;
  await connection.answered(stream, async () =>
    (await connection.manager()).streams.purge(stream, { filter }),
  );
}

/** The generation, and the entry that a stored or republished message holds; `path` is its subject after `view.`. */
export function viewEntryOf(
  path: string,
  body: string,
  revision: string,
): { readonly generation: number; readonly entry: ViewEntry } {
  const [, generation, kind = '', id = ''] = path.split('.');
  const gone = { kind, id: fromSubjectToken(id), rev: Math.max(1, Number(revision) || 1), revision: '' };
  return { generation: Number(generation), entry: body === '' ? gone : (JSON.parse(body) as ViewEntry) };
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

function storedPage(messages: readonly StoredMsg[]): StoredPage {
  const last = messages.at(-1);
  const own = messages.filter((message) => !isForeign(message));
  return { entries: own.map(toStored), next: last && last.pending > 0 ? last.seq : undefined };
}

/** Whether somebody had it sent here who may not: a copy of what lies elsewhere, or an acknowledgement. */
function isForeign(message: StoredMsg): boolean {
  if (copiesOf(message.header).length > 1) return true;
  const [, , kind, id] = pathOf(message).split('.');
  const body = message.string();
  if (body === '') return false;
  try {
    const entry = JSON.parse(body) as Partial<ViewEntry>;
    return entry.kind !== kind || typeof entry.id !== 'string' || subjectToken(entry.id) !== id;
  } catch {
    return true;
  }
}

function entryIn(message: StoredMsg): ViewEntry {
  return viewEntryOf(pathOf(message), message.string(), message.header.get(viewHeaders.revision)).entry;
}

function toStored(message: StoredMsg): StoredViewEntry {
  const path = pathOf(message);
  const [hash = '', generation] = path.split('.');
  return { ...entryIn(message), hash, generation: Number(generation), sequence: message.seq };
}

function pathOf(message: StoredMsg): string {
  return message.subject.slice('view.'.length);
}

function checkPlace(place: ViewPlace): ViewPlace {
  if (!/^[0-9a-f]{32}$/.test(place.hash)) throw InvalidView('this hash');
  if (!Number.isSafeInteger(place.generation) || place.generation < 1) throw InvalidView('this generation');
  return place;
}

function checkAfter(after: string): number {
  if (!/^\d{0,15}$/.test(after)) throw InvalidView('this place');
  return Number(after);
}
