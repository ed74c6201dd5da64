export { createOperatorConfig, type OperatorConfig, userJwt, type UserJwtSpec } from './bus-credentials.ts';
export {
  Bus,
  type BusHandler,
  type BusMessage,
  connectBus,
  type DurableAck,
  type SubscribeOptions,
} from './bus.ts';
export { type BusCredentials, type BusHeaders, type BusOptions } from './connection.ts';
export {
  type ConsumeBase,
  type ConsumeBatchesOptions,
  type ConsumeOptions,
  type Consumption,
  type DurableMessage,
} from './consume.ts';
export {
  EventStreamTarget,
  eventStreamTarget,
  type OutgoingEvent,
  type PublishedBatch,
} from './event-stream-target.ts';
export {
  BusForbidden,
  BusTimeout,
  BusUnauthenticated,
  BusUnavailable,
  JetStreamRefused,
  NoResponder,
  WrongSequence,
} from './failures.ts';
export { createUserKey, InvalidSeed, type NatsKey } from './nkeys.ts';
export {
  agentPermissions,
  type BusPermissions,
  edgePermissions,
  inboxPrefix,
  permissionsOf,
  servicePermissions,
} from './permissions.ts';
export { ServerTooOld, StreamRefused, StreamSettingIgnored } from './reconcile-streams.ts';
export {
  allStreams,
  eventStream,
  eventStreamName,
  factStream,
  type StreamOptions,
  type StreamSpec,
  viewStream,
} from './streams.ts';
export { openView, type View, type ViewOptions, ViewRefused } from './view.ts';
export { ViewEntries, type ViewChange } from './view-entries.ts';
export {
  InvalidView,
  putViewEntry,
  readViewPage,
  readViewStream,
  type RemovedEntry,
  removeViewEntry,
  type StoredViewEntry,
} from './view-store.ts';
