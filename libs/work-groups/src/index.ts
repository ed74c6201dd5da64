export { type BrokerDeps, serveWork, WorkForbidden } from './broker/broker.ts';
export { InvalidWorkRequest } from './broker/messages.ts';
export {
  type Change,
  type RecordedOffer,
  type TaskKey,
  WorkLimitReached,
  type WorkRecords,
} from './broker/work-records.ts';
export { DeliveryLost, isEnded, stale, type WorkLimits, type WorkTask } from './broker/work-task.ts';
export { type GroupOptions, type Run, type RunResult } from './member/group-options.ts';
export { InvalidResult } from './member/run-delivery.ts';
export { joinGroup, type Membership } from './member/join-group.ts';
export { isStale, slotAt } from './slot.ts';
