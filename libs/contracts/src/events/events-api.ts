import { Type, type Static } from 'typebox';

/** The services that record events, by the name in their subjects and paths. */
export const eventContexts = ['join', 'resource', 'inventory'] as const;

/** A message that a consumer could not handle, without its body. */
export const ParkedMessageView = Type.Object({
  id: Type.String(),
  consumer: Type.String(),
  stream: Type.String(),
  sequence: Type.Integer(),
  subject: Type.String(),
  /** Id of the event in the message, or empty. */
  eventId: Type.String(),
  /** The aggregate whose later events wait for this one, or empty. */
  aggregate: Type.String(),
  code: Type.String(),
  error: Type.String(),
  /** How often JetStream delivered it. */
  deliveries: Type.Integer(),
  /** How often it was tried again since. */
  tries: Type.Integer(),
  /** RFC 3339: when it was parked. */
  at: Type.String(),
  /** Whether somebody asked to try it again and nobody has yet. */
  isRetrying: Type.Boolean(),
});
export type ParkedMessageView = Static<typeof ParkedMessageView>;

/** `GET /v1/events/<context>/parked/<id>`: with the body, where it can be shown as text. */
export const ParkedMessageDetail = Type.Object({
  ...ParkedMessageView.properties,
  headers: Type.Record(Type.String(), Type.String()),
  /** What is kept of the body. Of an event, what people see of it. */
  body: Type.String(),
  encoding: Type.Union([Type.Literal('text'), Type.Literal('base64')]),
  /** False when the body was too large to be kept whole: it cannot be tried again then. */
  isWhole: Type.Boolean(),
});
export type ParkedMessageDetail = Static<typeof ParkedMessageDetail>;

/** `GET /v1/events/<context>/parked` */
export const ParkedMessagesReply = Type.Object({
  parked: Type.Array(ParkedMessageView),
  /** Whether there are more than are listed. */
  hasMore: Type.Boolean(),
});
export type ParkedMessagesReply = Static<typeof ParkedMessagesReply>;

/** `DELETE /v1/events/<context>/parked/<id>` */
export const DropParkedQuery = Type.Object({ reason: Type.String({ minLength: 1, maxLength: 500 }) });

/** An event as it is shown to people. */
export const EventView = Type.Object({
  context: Type.String(),
  sequence: Type.Integer(),
  id: Type.String(),
  stream: Type.String(),
  version: Type.Integer(),
  type: Type.String(),
  v: Type.Integer(),
  at: Type.String(),
  actor: Type.String(),
  correlationId: Type.String(),
  data: Type.Record(Type.String(), Type.Unknown()),
});
export type EventView = Static<typeof EventView>;

/** `GET /v1/events/<context>` */
export const EventsPage = Type.Object({
  events: Type.Array(EventView),
  /** Where to read on. */
  next: Type.String(),
  /** Whether everything that there is was read: the next call waits. */
  isCurrent: Type.Boolean(),
});
export type EventsPage = Static<typeof EventsPage>;

/** How to read the events of a service. Every value of a query is text. */
export const EventsQuery = Type.Object({
  /** `next` of the page before. Without it and without `since`, only what comes from now on. */
  after: Type.Optional(Type.String({ maxLength: 64 })),
  /** RFC 3339: where to begin. */
  since: Type.Optional(Type.String({ maxLength: 40 })),
  type: Type.Optional(Type.String({ pattern: '^[A-Za-z]{1,64}$' })),
  /** An aggregate, `kube_cluster/prod`, or a pattern of bus subjects, `evt.resource.*.role.>`. */
  subject: Type.Optional(Type.String({ minLength: 1, maxLength: 600 })),
  /** Seconds to wait for the next event, at most 25. */
  wait: Type.Optional(Type.String({ pattern: '^([0-9]|1[0-9]|2[0-5])$' })),
});
export type EventsQuery = Static<typeof EventsQuery>;
