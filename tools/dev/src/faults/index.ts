export { checkAll } from './check-all.ts';
export { checkProjections } from './check-projections.ts';
export { targetsOf } from './inject.ts';
export { leaderOf } from './leader.ts';
export { type Load, startLoad } from './load.ts';
export { Random } from './random.ts';
export { runSchedule } from './run-schedule.ts';
export { describeSchedule, type FaultKind, faultKinds, makeSchedule, type PlannedFault } from './schedule.ts';
