/** Bounds of one tunnel at one end. Both ends should have the same number of streams. */
export interface TunnelLimits {
  /** Streams that are open at once, those of either end counted apart. */
  readonly streams: number;
  /** Bytes received for streams whose readers paused. Beyond it the one that holds most is reset. */
  readonly bufferedBytes: number;
  /** How far the window of a stream may grow, in bytes. */
  readonly streamWindow: number;
  /** How far the window of the tunnel may grow, in bytes. */
  readonly tunnelWindow: number;
  /** Frames other than data that wait for a peer which does not read, in bytes. Beyond it the tunnel is closed. */
  readonly queuedBytes: number;
  /** A tunnel drains by itself when its numbers for streams are used up. */
  readonly lastStream: number;
}

const MiB = 1024 * 1024;

export const defaultLimits: TunnelLimits = {
  streams: 16_384,
  bufferedBytes: 16 * MiB,
  streamWindow: 4 * MiB,
  tunnelWindow: 16 * MiB,
  queuedBytes: 16 * MiB,
  lastStream: 0xffff_fff0,
};
