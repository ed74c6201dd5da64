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
  EventTooLarge,
  RowExists,
  RowRefused,
  StoreTimeout,
  StoreUnavailable,
  VersionGap,
} from './failures.ts';
export { eventIdOf, handle, type Handled, type Handling } from './handle.ts';
export { type Effect, noteDone, once } from './inbox/once.ts';
export { type InboxSweep, startInboxSweep, sweepInbox } from './inbox/sweep-inbox.ts';
export { InvalidMigration, MigrationChanged } from './migrate.ts';
export { dropParked, type Dropping, skippedAmong } from './parked/drop-parked.ts';
export { type ParkedMessage, type ParkedRow } from './parked/parked-message.ts';
export { countParked, findParked, listParked, parkedAmong } from './parked/parked-table.ts';
export {
  NotParked,
  NotWhole,
  openParking,
  Parking,
  type ParkingOptions,
  TooManyParked,
} from './parked/parking.ts';
export { type PositionedEvent } from './read.ts';
export { type EventPage, type PageRange, readPage } from './read-page.ts';
export { Relay, type RelayOptions, type RelayTarget, startRelay } from './relay.ts';
