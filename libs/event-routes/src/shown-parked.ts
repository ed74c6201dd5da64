import { durableMessage } from '@postern/bus';
import type { EventContext, ParkedMessageDetail, ParkedMessageView } from '@postern/contracts';
import type { ParkedRow } from '@postern/event-store';
import { shownEvent, shownStream, shownSubject, shownText } from './shown.ts';

const maxShownBytes = 64 * 1024;

/** A parked message in a list. */
export function shownParked(row: ParkedRow): ParkedMessageView {
  const {
    id,
    consumer,
    stream,
    sequence,
    eventId,
    aggregate,
    code,
    error,
    deliveries,
    tries,
    at,
    isRetrying,
  } = row;
  return {
    id,
    consumer,
    stream,
    sequence,
    subject: shownSubject(row.subject),
    eventId,
    aggregate: aggregate === '' ? '' : shownStream(aggregate),
    code,
    error: shownText(error, row.subject),
    deliveries,
    tries,
    at: at.toISOString(),
    isRetrying,
  };
}

/** A parked message with its body, as text where it is text. */
export function shownParkedWhole(context: EventContext, row: ParkedRow): ParkedMessageDetail {
  return { ...shownParked(row), headers: row.headers, isWhole: row.isWhole, ...bodyOf(context, row) };
}

function bodyOf(context: EventContext, row: ParkedRow): Pick<ParkedMessageDetail, 'body' | 'encoding'> {
  const event = readEvent(row);
  if (event) return { encoding: 'text', body: JSON.stringify(shownEvent(context, row, event), undefined, 2) };
  const body = Buffer.from(row.body.subarray(0, maxShownBytes));
  // A body on the subject of an event may name what must not be named, readable or not.
  if (row.aggregate !== shownStream(row.aggregate)) return { encoding: 'text', body: '' };
  const text = body.toString('utf8');
  const isText = Buffer.from(text).equals(body);
  return isText ? { encoding: 'text', body: text } : { encoding: 'base64', body: body.toString('base64') };
}

function readEvent(row: ParkedRow) {
  try {
    return durableMessage(row).event();
  } catch {
    return undefined;
  }
}
