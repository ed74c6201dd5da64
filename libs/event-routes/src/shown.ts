import {
  type EventContext,
  type EventView,
  eventSubject,
  kindNamed,
  parseEventSubject,
  type StoredEvent,
} from '@postern/contracts';
import type { DurableMessage } from '@postern/bus';
import type { JsonObject } from '@postern/core';

const shownOfDigest = 8;

/** An event as people see it. */
export function shownEvent(
  context: EventContext,
  { sequence }: Pick<DurableMessage, 'sequence'>,
  event: StoredEvent,
): EventView {
  const { id, version, type, v, at, meta } = event;
  return {
    context,
    sequence,
    id,
    stream: shownStream(event.stream),
    version,
    type,
    v,
    at,
    actor: meta.actor ?? '',
    correlationId: meta.correlationId ?? '',
    data: shownData(event),
  };
}

/**
 * The name of an aggregate. Where the name of a resource may be a secret, the aggregate is called by its digest, from which a
 * short name could be guessed at leisure: only the beginning is shown.
 */
export function shownStream(stream: string): string {
  const slash = stream.indexOf('/');
  const kind = stream.slice(0, slash);
  return hasSecretNames(kind) ? `${kind}/${shortened(stream.slice(slash + 1))}` : stream;
}

/** A subject of the bus, likewise. */
export function shownSubject(subject: string): string {
  const parsed = parseEventSubject(subject);
  return parsed ? eventSubject(parsed.context, shownStream(parsed.stream), parsed.type) : subject;
}

/** A text that may quote the subject of a message, likewise. */
export function shownText(text: string, subject: string): string {
  const { stream = '' } = parseEventSubject(subject) ?? {};
  const id = stream.slice(stream.indexOf('/') + 1);
  return shownStream(stream) === stream ? text : text.replaceAll(id, shortened(id));
}

function shownData({ data }: StoredEvent): JsonObject {
  const { kind, id, subject } = data;
  if (typeof subject === 'string') return { ...data, subject: shownSubject(subject) };
  if (typeof kind !== 'string' || typeof id !== 'string' || !hasSecretNames(kind)) return data;
  return { ...data, id: shortened(id) };
}

function hasSecretNames(kind: string): boolean {
  return kindNamed(kind)?.secretName === true;
}

function shortened(digest: string): string {
  return `${digest.slice(0, shownOfDigest)}…`;
}
