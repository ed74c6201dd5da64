export {
  type Apply,
  applyInline,
  type ApplyMany,
  type EventAmong,
  type Handler,
  HandlerTwice,
  on,
  onMany,
  onManyOf,
  type Projection,
  projection,
} from './projection.ts';
export {
  compareWithRebuild,
  rebuild,
  rebuildChanged,
  type RebuildOptions,
  type RowDifference,
  RowsAreNewer,
} from './rebuild.ts';
export type { Progress } from './rebuild/replay.ts';
export type { ReplayOptions } from './rebuild/beside.ts';
export { TableChanged, TableNotReplaceable } from './rebuild/shadow-tables.ts';
export { deleteRows, insertRows, putRows, type RowsOf, type RowValues } from './write-rows.ts';
export { AggregateBlocked, Superseded, UnrecordedEvent } from './apply-batch.ts';
export { lockProjection } from './lock-projection.ts';
export { type RunOptions, runProjections } from './run-projections.ts';
export {
  projectionNames,
  rebuildService,
  type ServiceProjections,
  UnknownProjection,
} from './service-projections.ts';
export { skippedEvents } from './skipped-events.ts';
export { type EventPlace, NotAppliedYet, untilApplied } from './until-applied.ts';
