import { type DurableMessage, readEventLog } from '@postern/bus';
import type { EventContext, EventsPage, EventsQuery, EventView } from '@postern/contracts';
import { delay, failure, messageOf } from '@postern/core';
import type { EventDesk } from './event-desk.ts';
import { eventFilter } from './event-filter.ts';
import { shownEvent, shownSubject, shownText } from './shown.ts';

/** A time that cannot be read. */
const InvalidTime = failure(
  'invalid_argument',
  'events.invalid_time',
  () => 'since must be a time like 2026-01-31T12:00:00Z',
);

const pollMs = 250;
const maxEvents = 256;
// Of a filter that matches little: enough to be fast, and not so much that one request holds the service up.
const maxScanned = 5000;

/** A page of events; with nothing to show yet it waits for as long as was asked for. */
export async function readEvents(
  desk: EventDesk,
  context: EventContext,
  query: EventsQuery,
): Promise<EventsPage> {
  const isWanted = eventFilter(query);
  const end = performance.now() + Number(query.wait ?? '0') * 1000;
  using _place = desk.wait();
  let place = { after: query.after, since: query.after === undefined ? timeOf(query.since) : undefined };
  for (let scanned = 0; ;) {
    const page = await readEventLog(desk.bus, context, place);
    const wanted = page.messages.filter(isWanted).slice(0, maxEvents);
    const events = wanted.map((message) => shown(context, message));
    scanned += page.messages.length;
    const isIdle = page.messages.length === 0;
    const isOver = isIdle ? performance.now() >= end || desk.closing.aborted : scanned >= maxScanned;
    if (events.length > 0 || isOver) return { events, next: page.next, isCurrent: page.isCurrent };
    place = { after: page.next, since: undefined };
    if (isIdle) await delay(pollMs, desk.closing).catch(() => {});
  }
}

/** What lies in the log and is no event is shown as what it is, so that a reader never stops at it. */
function shown(context: EventContext, message: DurableMessage): EventView {
  try {
    return shownEvent(context, message, message.event());
  } catch (error) {
    const { subject, sequence } = message;
    const nothing = { id: '', stream: shownSubject(subject), version: 0, v: 0, actor: '', correlationId: '' };
    const at = new Date(0).toISOString();
    return {
      ...nothing,
      context,
      sequence,
      type: '(unreadable)',
      at,
      data: { error: shownText(messageOf(error), subject) },
    };
  }
}

function timeOf(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const at = new Date(text);
  if (!/^\d{4}-\d\d-\d\dT/.test(text) || Number.isNaN(at.getTime())) throw InvalidTime();
  return at;
}
