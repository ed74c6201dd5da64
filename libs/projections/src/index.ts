export {
  type Apply,
  applyInline,
  type ApplyMany,
  type Handler,
  HandlerTwice,
  on,
  onMany,
  type Projection,
  projection,
} from './projection.ts';
export {
  compareWithRebuild,
  rebuild,
  rebuildChanged,
  type RebuildOptions,
  type RowDifference,
} from './rebuild.ts';
export { type RunOptions, runProjections, UnknownEvent } from './run-projections.ts';
