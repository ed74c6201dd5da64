const leastSlab = 1024;
const mostSlab = 16_384;

/**
 * Bytes that came for a reader that paused. They are copied together: a slice would keep the whole chunk it was cut from, and
 * a million frames of one byte would be a million buffers.
 */
export class Backlog {
  readonly #slabs: Buffer[] = [];
  #filled = 0;
  #held = 0;

  /** Memory it takes, which is more than the bytes in it. */
  get heldBytes(): number {
    return this.#held;
  }

  get isEmpty(): boolean {
    return this.#slabs.length === 0;
  }

  add(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      const tail = this.#tailWithRoom(bytes.length - at);
      const taken = bytes.copy(tail, this.#filled, at);
      this.#filled += taken;
      at += taken;
    }
  }

  /** The oldest bytes. */
  take(): Buffer | undefined {
    const slab = this.#slabs.shift();
    if (slab === undefined) return undefined;
    this.#held -= slab.length;
    return this.#slabs.length > 0 ? slab : slab.subarray(0, this.#filled);
  }

  #tailWithRoom(wanted: number): Buffer {
    const tail = this.#slabs.at(-1);
    if (tail !== undefined && this.#filled < tail.length) return tail;
    const grown = Math.max(leastSlab, 2 * (tail?.length ?? 0), wanted);
    const slab = Buffer.allocUnsafeSlow(Math.min(mostSlab, grown));
    this.#slabs.push(slab);
    this.#held += slab.length;
    this.#filled = 0;
    return slab;
  }
}
