export { openPolicy, type PolicyOptions } from './open-policy.ts';
export {
  type LockedAgents,
  type LockSubject,
  type Policy,
  type PolicyChange,
  PolicyTables,
  type PolicyTablesDeps,
  type UserState,
} from './policy.ts';
