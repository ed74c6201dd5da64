export { type AppendItem } from './append.ts';
export { type Decider, fold } from './decider.ts';
export {
  type Appended,
  type AppendOptions,
  EventStore,
  type EventStoreOptions,
  type FeedOptions,
  openEventStore,
} from './event-store.ts';
export {
  CommandReused,
  Conflict,
  type ConstraintFailures,
  RowExists,
  RowRefused,
  StoreTimeout,
  StoreUnavailable,
  VersionGap,
} from './failures.ts';
export { eventIdOf, handle, type Handled, type Handling } from './handle.ts';
export { InvalidMigration, MigrationChanged } from './migrate.ts';
export { type PositionedEvent } from './read.ts';
export { Relay, type RelayOptions, type RelayTarget, startRelay } from './relay.ts';
