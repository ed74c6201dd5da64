import { failure } from '@postern/core';

/** The peer did what the protocol forbids. Only its own tunnel is closed. */
export const ProtocolBroken = failure(
  'unavailable',
  'tunnel.protocol_broken',
  (what: string) => `the tunnel was closed, its peer broke the protocol: ${what}`,
);

/** The connection under the tunnel ended without a word. */
export const TunnelLost = failure(
  'unavailable',
  'tunnel.lost',
  () => 'the connection of the tunnel was lost; try again',
);

/** Pings were not answered: the other end is dead, or the network between drops everything. */
export const TunnelSilent = failure(
  'unavailable',
  'tunnel.silent',
  (ms: number) =>
    `the other end of the tunnel has not answered a ping for ${Math.round(ms / 1000)} s; try again`,
);

/** The peer does not read: what must be told to it has grown too long. */
export const TunnelStalled = failure(
  'unavailable',
  'tunnel.stalled',
  () => 'the other end of the tunnel takes nothing in; try again',
);

/** No new streams: one of the two ends is about to leave. */
export const TunnelDraining = failure(
  'unavailable',
  'tunnel.draining',
  () => 'the tunnel is about to close and takes no new streams; use another one',
);

/** The end of a tunnel's life. */
export const TunnelClosed = failure('unavailable', 'tunnel.closed', () => 'the tunnel is closed; try again');

/** Memory of the tunnel went to readers that stopped reading, and this one held the most of it. */
export const ReaderTooSlow = failure(
  'resource_exhausted',
  'tunnel.reader_too_slow',
  () => 'the stream was cut: it was not read for too long while the tunnel had no memory left; read faster',
);

/** A call that makes no sense in the state of the stream: a bug of the caller. */
export const StreamMisused = failure(
  'internal',
  'tunnel.stream_misused',
  (what: string) => `a stream of a tunnel was used wrongly: ${what}`,
);
