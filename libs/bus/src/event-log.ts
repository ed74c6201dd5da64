import { JetStreamError, type StoredMsg } from '@nats-io/jetstream';
import type { MsgHdrs } from '@nats-io/transport-node';
import type { EventContext } from '@postern/contracts';
import { failure } from '@postern/core';
import type { Bus } from './bus.ts';
import { type BusHeaders, fromHeaders } from './connection.ts';
import { type DurableMessage, durableMessage } from './consume-message.ts';
import { copiedFrom, copiesOf } from './smuggled.ts';
import { eventStreamName } from './streams.ts';

/** A place that the log of events no longer holds, or never held. */
export const EventsGone = failure(
  'failed_precondition',
  'bus.events_gone',
  (firstAt: string) =>
    `the events from there on are not in the log any more: it begins at ${firstAt}. Begin at that time or later; what was before is in the history of each resource`,
);

/** A place that no page ended at. */
export const InvalidPlace = failure(
  'invalid_argument',
  'bus.invalid_place',
  () => 'this is no place in the log of events: pass on what the page before said',
);

/** A replica of the log that does not have yet what its leader has. */
const LogBehind = failure(
  'unavailable',
  'bus.log_behind',
  () => 'the log of events is catching up; try again',
);

/** A part of the log of a service's events. */
export interface EventLogPage {
  readonly messages: readonly DurableMessage[];
  /** The place after the last of them. */
  readonly next: string;
  /** Whether the log ends there. */
  readonly isCurrent: boolean;
}

/** Where to read: after a place, from a time, or, with neither, from now on. */
export interface EventLogStart {
  readonly after?: string | undefined;
  readonly since?: Date | undefined;
}

/** What the log is now. */
interface LogState {
  readonly created: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly firstAt: string;
  readonly lastAt: string;
}

const pageMessages = 256;
const pageBytes = 2 * 1024 ** 2;

/**
 * Reads the events that a service recorded, as they lie in the log that distributes them, without a consumer. Places are
 * numbers of this very log: of one that was made anew, or that lost its tail, they are refused, since something may be missing.
 */
export async function readEventLog(
  bus: Bus,
  context: EventContext,
  { after, since }: EventLogStart,
): Promise<EventLogPage> {
  const name = eventStreamName(context);
  const state = await stateOf(bus, name);
  const place = (sequence: number) => `${state.created}.${sequence}`;
  const from = after === undefined ? startOf(state, since) : { seq: sequenceOf(after, state) + 1 };
  if (from === undefined) return { messages: [], next: place(state.lastSequence), isCurrent: true };
  const stored = await readBatch(bus, name, from);
  if (stored.length === 0 && since && after === undefined && new Date(state.lastAt) >= since)
    throw LogBehind();
  const before = 'seq' in from ? from.seq - 1 : state.lastSequence;
  const last = stored.at(-1)?.seq ?? before;
  return {
    messages: stored.map((message) => toMessage(message, state)),
    next: place(last),
    isCurrent: last >= state.lastSequence,
  };
}

type Start = { readonly seq: number } | { readonly start_time: string };

function startOf(state: LogState, since: Date | undefined): Start | undefined {
  if (since === undefined || state.lastSequence === 0) return undefined;
  // From number 1 on nothing is missing, however early the beginning that is asked for.
  if (state.firstSequence > 1 && since < new Date(state.firstAt)) throw EventsGone(state.firstAt);
  return { start_time: since.toISOString() };
}

function sequenceOf(place: string, state: LogState): number {
  const match = /^(\d{1,15})\.(\d{1,15})$/.exec(place);
  if (!match) throw InvalidPlace();
  const [created, sequence] = [Number(match[1]), Number(match[2])];
  const isThere =
    created === state.created && sequence <= state.lastSequence && sequence >= state.firstSequence - 1;
  if (!isThere) throw EventsGone(state.firstAt);
  return sequence;
}

async function stateOf(bus: Bus, name: string): Promise<LogState> {
  const { created, state } = await bus.connection.answered(name, async () =>
    (await bus.connection.manager()).streams.info(name),
  );
  return {
    created: Date.parse(created),
    firstSequence: state.first_seq,
    lastSequence: state.last_seq,
    firstAt: state.first_ts,
    lastAt: state.last_ts,
  };
}

function readBatch(bus: Bus, name: string, from: Start): Promise<StoredMsg[]> {
  return bus.connection.answered(name, async () => {
    const manager = await bus.connection.manager();
    const options = { ...from, batch: pageMessages, max_bytes: pageBytes };
    const messages: StoredMsg[] = [];
    try {
      for await (const message of await manager.direct.getBatch(name, options)) messages.push(message);
    } catch (error) {
      if (!(error instanceof JetStreamError && (error as { code?: unknown }).code === 404)) throw error;
    }
    return messages;
  });
}

function toMessage({ subject, seq, header, data }: StoredMsg, { created }: LogState): DurableMessage {
  const streamCreated = new Date(created).toISOString();
  return durableMessage({
    subject,
    sequence: seq,
    streamCreated,
    deliveries: 1,
    headers: ownHeaders(header),
    body: data,
  });
}

/** Without the field of the copy that we asked for; a second one is of a copy that somebody else had sent into the log. */
function ownHeaders(header: MsgHdrs): BusHeaders {
  const { [copiedFrom]: _, ...own } = fromHeaders(header);
  return copiesOf(header).length > 1 ? fromHeaders(header) : own;
}
