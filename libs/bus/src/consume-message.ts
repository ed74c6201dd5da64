import type { JsMsg } from '@nats-io/jetstream';
import { parseEventSubject, type StoredEvent } from '@postern/contracts';
import { failure, isPlainObject, isUuid, type Json, parseJson } from '@postern/core';
import { type BusHeaders, fromHeaders } from './connection.ts';
import type { ParkedMessage } from './consume-parking.ts';
import { copiedFrom } from './smuggled.ts';

/** A message whose body cannot be what its subject says. */
export const InvalidMessage = failure(
  'invalid_argument',
  'bus.invalid_message',
  (subject: string, why: string) => `a message on ${subject} cannot be read: ${why}`,
);

/** A message that JetStream delivers until it is done. */
export interface DurableMessage {
  readonly subject: string;
  /** Place in the JetStream stream. Reused after a stream lost its tail, so it is no identity. */
  readonly sequence: number;
  /** When the JetStream stream was made: another time is another numbering. */
  readonly streamCreated: string;
  /** How often it was delivered, from 1. */
  readonly deliveries: number;
  readonly headers: BusHeaders;
  /** The body, read as untrusted JSON. */
  json(): Json;
  /** The body as a recorded event, whose shape is checked; its data is its type's to read. */
  event(): StoredEvent;
}

/** The part of a message that its body is read from. */
interface Received {
  readonly subject: string;
  readonly sequence: number;
  readonly streamCreated: string;
  readonly deliveries: number;
  readonly headers: BusHeaders;
  readonly body: Uint8Array;
}

/** A message as handlers see it, delivered just now or parked. */
export function durableMessage(received: Received): DurableMessage {
  const { subject, sequence, streamCreated, deliveries, headers, body } = received;
  const place = { subject, sequence, streamCreated, deliveries, headers };
  let json: Json | undefined;
  let event: StoredEvent | undefined;
  const read = () => {
    if (Object.hasOwn(headers, copiedFrom))
      throw InvalidMessage(
        subject,
        'it is a copy of a stored message, which whoever asked for it had sent here',
      );
    return (json ??= readJson(subject, body));
  };
  return { ...place, json: read, event: () => (event ??= readEvent(place.subject, read())) };
}

/** A message that JetStream just delivered. */
export function delivered(message: JsMsg, streamCreated: string): DurableMessage {
  return durableMessage({
    subject: message.subject,
    sequence: message.seq,
    streamCreated,
    deliveries: message.info.deliveryCount,
    headers: fromHeaders(message.headers),
    body: message.data,
  });
}

/** The whole message, to be kept aside. */
export function parkedMessage(
  message: JsMsg,
  of: Pick<ParkedMessage, 'consumer' | 'streamCreated' | 'code' | 'error'>,
): ParkedMessage {
  const headers = fromHeaders(message.headers);
  return {
    ...of,
    stream: message.info.stream,
    sequence: message.seq,
    subject: message.subject,
    headers,
    body: message.data,
    eventId: headers['Nats-Msg-Id'] ?? '',
    aggregate: parseEventSubject(message.subject)?.stream ?? '',
    deliveries: message.info.deliveryCount,
  };
}

// A publisher may send up to what the server takes; more than this is no event and no fact of ours.
const maxBodyBytes = 1024 ** 2;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function readJson(subject: string, body: Uint8Array): Json {
  if (body.length > maxBodyBytes)
    throw InvalidMessage(subject, `its body has more than ${maxBodyBytes} bytes`);
  return parseJson(decode(subject, body));
}

function decode(subject: string, body: Uint8Array): string {
  try {
    return utf8.decode(body);
  } catch (error) {
    throw InvalidMessage.from(error, subject, 'its body is not UTF-8');
  }
}

/** Rebuilt from the fields that an event has, so that nothing else comes along. */
function readEvent(subject: string, body: Json): StoredEvent {
  const fail = (what: string) => InvalidMessage(subject, `it is no event: ${what}`);
  if (!isPlainObject(body)) throw fail('it is no object');
  const { id, stream, version, type, v, data, meta, at } = body;
  if (typeof id !== 'string' || !isUuid(id)) throw fail('id');
  if (typeof stream !== 'string' || !/^[a-z_]+\/./u.test(stream)) throw fail('stream');
  if (!isCount(version)) throw fail('version');
  if (typeof type !== 'string' || type === '') throw fail('type');
  if (!isCount(v)) throw fail('v');
  if (!isPlainObject(data) || !isPlainObject(meta)) throw fail('data or meta');
  if (typeof at !== 'string' || Number.isNaN(Date.parse(at))) throw fail('at');
  return { id, stream, version, type, v, data, meta, at };
}

function isCount(value: Json | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
