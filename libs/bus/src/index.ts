export { userJwt, type UserJwtSpec } from './bus-credentials.ts';
export {
  BusOperator,
  type BusOperatorOptions,
  ClaimsRefused,
  NotTheOperator,
  openBusOperator,
  type RevokedUsers,
} from './bus-operator.ts';
export {
  Bus,
  type BusHandler,
  type BusMessage,
  connectBus,
  type DurableAck,
  type SubscribeOptions,
} from './bus.ts';
export { InvalidBusUrl } from './dial.ts';
export { type BusCredentials, type BusHeaders, type BusOptions } from './connection.ts';
export {
  type ConsumeBase,
  type ConsumeBatchesOptions,
  type ConsumeOptions,
  type Consumption,
} from './consume.ts';
export { ConsumerRefused } from './consume-config.ts';
export { type DurableMessage, durableMessage, InvalidMessage } from './consume-message.ts';
export { type ConsumerLag } from './consume-metrics.ts';
export { type ParkedMessage, type Parking } from './consume-parking.ts';
export {
  type EventLogPage,
  type EventLogStart,
  EventsGone,
  InvalidPlace,
  readEventLog,
} from './event-log.ts';
export {
  EventStreamTarget,
  eventStreamTarget,
  type OutgoingEvent,
  type PublishedBatch,
} from './event-stream-target.ts';
export {
  BusForbidden,
  BusNotTrusted,
  BusTimeout,
  BusUnauthenticated,
  BusUnavailable,
  JetStreamRefused,
  NoResponder,
  WrongSequence,
} from './failures.ts';
export { createUserKey, InvalidSeed, type NatsKey } from './nkeys.ts';
export { inboxPrefix } from './channels.ts';
export {
  allConsumers,
  type ConsumerSpec,
  consumers,
  factConsumers,
  projectionConsumer,
} from './consumers.ts';
export {
  createOperatorConfig,
  type OperatorConfig,
  operatorServerConfig,
  type OperatorSecrets,
} from './operator.ts';
export { type BusPermissions, type BusUser, permissionsOf } from './permissions.ts';
export { ServerTooOld, StreamMissing, StreamRefused, StreamSettingIgnored } from './reconcile-streams.ts';
export { spreadFactLeaders } from './spread-leaders.ts';
export {
  allStreams,
  eventStream,
  eventStreamName,
  factStreams,
  type StreamOptions,
  type StreamSpec,
  viewStream,
  workStream,
} from './streams.ts';
export { openView, type View, type ViewOptions, ViewRefused } from './view.ts';
export { ViewEntries, type ViewChange } from './view-entries.ts';
export { type LiveMessage, ViewReading } from './view-reading.ts';
export {
  ForeignEntry,
  claimViews,
  InvalidView,
  purgeView,
  readViewPage,
  readViewStream,
  storeViewEntry,
  type StoredPage,
  type StoredViewEntry,
  ViewEntryTooLarge,
} from './view-store.ts';
export { type ViewSize, type ViewStorage, viewStorage, ViewsTaken, ViewWriter } from './view-writer.ts';
export {
  openWorkQueue,
  type PulledTask,
  type QueuedTask,
  WorkQueue,
  WorkQueueFull,
  type WorkQueueOptions,
} from './work-queue.ts';
