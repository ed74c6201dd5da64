import { failure, type JsonObject } from '@postern/core';
import type { Static, TObject } from 'typebox';
import { Compile } from 'typebox/compile';

/** The service that records an event, which is also the second token of its subject. */
export type EventContext = 'join' | 'resource' | 'discovery' | 'kube' | 'inventory';

/** Event data that does not fit the schema of its type and version: a bug in the writer, or a forged fact. */
export const InvalidEvent = failure(
  'invalid_argument',
  'contracts.invalid_event',
  (type: string, why: string) => `the data of ${type} is invalid: ${why}`,
);

/** An event of a version that only a newer program writes. */
export const NewerEvent = failure(
  'failed_precondition',
  'contracts.newer_event',
  (type: string, v: number) => `version ${v} of ${type} is newer than this program knows: upgrade it`,
);

/** An event of a type that no program of this version writes: a newer one does, or nobody should have. */
export const UnknownEvent = failure(
  'failed_precondition',
  'contracts.unknown_event',
  (type: string) =>
    `events of type ${JSON.stringify(type.slice(0, 80))} are not known: upgrade this program, or drop it`,
);

/** An event made but not yet recorded. */
export interface NewEvent<Name extends string = string, Data = JsonObject> {
  readonly type: Name;
  readonly v: number;
  readonly data: Data;
}

/** What a recorded event looks like wherever it is read: from Postgres, from the bus, in a golden file. */
export interface StoredEvent {
  /** UUID; also the `Nats-Msg-Id` and the idempotency key of every effect. */
  readonly id: string;
  /** `<aggregate>/<id>`, for example `kube_cluster/prod`. */
  readonly stream: string;
  /** Place in the stream, from 1, without gaps. */
  readonly version: number;
  readonly type: string;
  /** Version of the data's schema. */
  readonly v: number;
  readonly data: JsonObject;
  readonly meta: EventMeta;
  /** RFC 3339, UTC. */
  readonly at: string;
}

/** Who caused an event and in which conversation. Never a secret. */
export interface EventMeta {
  /** SPIFFE id of the principal, or of the service itself. */
  readonly actor?: string;
  readonly correlationId?: string;
  readonly causationId?: string;
  readonly traceparent?: string;
  /** RFC 3339, UTC: when a fact that was born elsewhere happened, `at` being when it was recorded. */
  readonly occurredAt?: string;
}

/** An event type: the constructor of its events, and the reader of every version of them ever written. */
export interface EventType<Name extends string = string, S extends TObject = TObject> {
  (data: Static<S>): NewEvent<Name, Static<S>>;
  readonly type: Name;
  /** Who records it; `every` for what any service records of itself. */
  readonly context: EventContext | 'every';
  /** What the fact means, in one sentence for docs/events.md. */
  readonly summary: string;
  readonly v: number;
  readonly schema: S;
  /** The same without the check, for facts that are made for every request and checked by the service that records them. */
  unchecked(data: Static<S>): NewEvent<Name, Static<S>>;
  /** The current version of a stored event's data, upcast step by step from the version it was written in. */
  read(stored: Pick<StoredEvent, 'type' | 'v' | 'data'>): Static<S>;
}

/** The data of an event type. */
export type DataOf<E> = E extends EventType<string, infer S> ? Static<S> : never;

/** The union of the new events that a set of event types makes. */
export type EventOf<E> = E extends EventType<infer Name, infer S> ? NewEvent<Name, Static<S>> : never;

/** Turns data of one version into data of the next. */
export type Upcaster = (data: JsonObject) => JsonObject;

interface Declaration<S extends TObject> {
  readonly context: EventContext | 'every';
  readonly summary: string;
  readonly v: number;
  readonly data: S;
  /** Upcasters by the version they read. */
  readonly upcast?: Readonly<Record<number, Upcaster>>;
}

const declared = new Map<string, EventType>();

/** The event type of this name, where the program knows one: whoever declares a type makes it known. */
export function eventTypeNamed(name: string): EventType | undefined {
  return declared.get(name);
}

/** Declares an event type, once. */
export function defineEvent<const Name extends string, S extends TObject>(
  type: Name,
  { context, summary, v, data: schema, upcast = {} }: Declaration<S>,
): EventType<Name, S> {
  const validator = Compile(schema);
  const check = (data: unknown): Static<S> => {
    if (validator.Check(data)) return data;
    const [first] = validator.Errors(data);
    throw InvalidEvent(type, `${first?.instancePath ?? '/'} ${first?.message ?? 'does not fit the schema'}`);
  };
  const make = (data: Static<S>): NewEvent<Name, Static<S>> => ({ type, v, data: check(data) });
  const unchecked = (data: Static<S>): NewEvent<Name, Static<S>> => ({ type, v, data });
  const read = (stored: Pick<StoredEvent, 'type' | 'v' | 'data'>): Static<S> => {
    let data = stored.data;
    if (stored.v > v) throw NewerEvent(type, stored.v);
    for (let at = stored.v; at < v; at += 1) {
      const step = upcast[at];
      if (!step) throw InvalidEvent(type, `there is no upcaster from version ${at}`);
      data = step(data);
    }
    return check(data);
  };
  const made: EventType<Name, S> = Object.assign(make, {
    type,
    context,
    summary,
    v,
    schema,
    unchecked,
    read,
  });
  declared.set(type, made);
  return made;
}
