/**
 * The server's time, as far as this process knows it. It is carried on by a clock that nobody sets, so that setting this
 * machine's time neither makes slots early nor late.
 */
export class ServerTime {
  readonly #elapsed: () => number;
  #known: { readonly time: number; readonly at: number } | undefined;

  /** `elapsed` counts milliseconds from any moment and is never set. */
  constructor(elapsed: () => number) {
    this.#elapsed = elapsed;
  }

  /** Notes what the server answered to a question that was asked at this moment: it is taken to be right half way. */
  heard(time: number, askedAt: number): void {
    const at = this.#elapsed();
    this.#known = { time: time + (at - askedAt) / 2, at };
  }

  /** A moment to pass to `heard`. */
  mark(): number {
    return this.#elapsed();
  }

  /** Milliseconds since 1970; nothing before the server was heard of. */
  now(): number | undefined {
    return this.#known && this.#known.time + this.#elapsed() - this.#known.at;
  }
}
