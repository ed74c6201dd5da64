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
export { type Beginning, keepService, type KeptService, type RunsByIdentity } from './keep-service.ts';
export { provingMethods, UnknownJoinMethod } from './methods/index.ts';
export type { ProvingMethod } from './methods/method.ts';
export {
  ControlPlaneUnavailable,
  IdentityEnded,
  RefusedByControlPlane,
  UnexpectedAnswer,
} from './join-client.ts';
export { type AgentIdentity, openIdentity } from './open-identity.ts';
export { HttpProxyRefused, InvalidHttpProxy } from './outbound/http-proxy.ts';
export type { StateStore } from './stored-identity.ts';
export type { Destination } from './outbound/no-proxy.ts';
export { ConnectFailed, Outbound, type Patience, type ProxySettings } from './outbound/outbound.ts';
export { PinMismatch, type TrustSource, UnreadableCa } from './trust-anchor.ts';
