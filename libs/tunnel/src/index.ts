export { duplexOf } from './duplex.ts';
export {
  ProtocolBroken,
  ReaderTooSlow,
  TunnelClosed,
  TunnelDraining,
  TunnelLost,
  TunnelSilent,
  TunnelStalled,
} from './failures.ts';
export { HeadRefused } from './head.ts';
export { defaultLimits, type TunnelLimits } from './limits.ts';
export type { AnswerHead, OpenHead, StreamEvents, TunnelStream } from './stream-contract.ts';
export { TooManyStreams } from './stream-table.ts';
export { systemTimers, type TunnelTimers } from './timers.ts';
export { Tunnel, type TunnelOptions, tunnelProtocol } from './tunnel.ts';
