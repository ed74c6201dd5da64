import {
  type Counter,
  durationBuckets,
  type Histogram,
  type Meter,
  type ObservableResult,
} from '@postern/telemetry';
import type { RunResult } from './group-options.ts';

/** What a member counts. */
export class MemberMetrics implements Disposable {
  readonly #runs: Counter | undefined;
  readonly #seconds: Histogram | undefined;
  readonly #stop: () => void;
  /** By how much the machine's clock is ahead of the server's. */
  skewSeconds = 0;

  constructor(meter: Meter | undefined) {
    this.#runs = meter?.createCounter('work_runs_total', { description: 'Runs of tasks by how they ended.' });
    this.#seconds = meter?.createHistogram('work_run_seconds', {
      description: 'How long runs of tasks took.',
      advice: { explicitBucketBoundaries: [...durationBuckets] },
    });
    const skew = meter?.createObservableGauge('work_clock_skew_seconds', {
      description: 'By how much this machine is ahead of the time that decides slots.',
    });
    const observe = (result: ObservableResult) => result.observe(this.skewSeconds);
    skew?.addCallback(observe);
    this.#stop = () => skew?.removeCallback(observe);
  }

  ran({ outcome }: RunResult, seconds: number): void {
    this.#runs?.add(1, { outcome });
    this.#seconds?.record(seconds);
  }

  [Symbol.dispose](): void {
    this.#stop();
  }
}
