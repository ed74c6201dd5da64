export { NoJoinToken } from './enroll.ts';
export {
  type HeartbeatBus,
  type HeartbeatOptions,
  type Heartbeats,
  type ServedNow,
  startHeartbeat,
} from './heartbeat.ts';
export type { IdentityOptions } from './identity-options.ts';
export { type BesideOthers, joinProcess, type JoinedProcess, type ProcessOptions } from './join-process.ts';
export { ControlPlaneUnavailable, RefusedByControlPlane, UnexpectedAnswer } from './join-client.ts';
export { type AgentIdentity, openIdentity } from './open-identity.ts';
export { PinMismatch, type TrustSource, UnreadableCa } from './trust-anchor.ts';
