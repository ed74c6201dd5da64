/** Where a tunnel has time from; a test has its own. */
export interface TunnelTimers {
  /** Milliseconds on a clock that is never set. */
  now(): number;
  /** Acts again and again; returns what stops it. */
  every(ms: number, act: () => void): () => void;
  /** Acts once; returns what stops it. */
  after(ms: number, act: () => void): () => void;
}

/** The machine's timers. They keep no process alive: the socket of the tunnel does. */
export const systemTimers: TunnelTimers = {
  now: () => performance.now(),
  every(ms, act) {
    const timer = setInterval(act, ms).unref();
    return () => clearInterval(timer);
  },
  after(ms, act) {
    const timer = setTimeout(act, ms).unref();
    return () => clearTimeout(timer);
  },
};
