const manyBytes = 256 * 1024;
const manyChunks = 64;

/** What of an answer goes on, as parts of the chunks it came in: parts that are neighbours stay one. */
export class Output {
  #parts: Buffer[] = [];
  #bytes: Buffer | undefined;
  #start = 0;
  #end = 0;
  #bytesSince = 0;
  #chunksSince = 0;

  /** Keeps a part of a chunk. */
  keep(bytes: Buffer, start: number, end: number): void {
    if (this.#bytes === bytes && this.#end === start) {
      this.#end = end;
      return;
    }
    this.#close();
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
  }

  /** Adds what was not there. */
  add(bytes: Buffer): void {
    this.#close();
    this.#parts.push(bytes);
  }

  /** All that was kept since the last time. */
  take(): Buffer | undefined {
    this.#close();
    const parts = this.#parts;
    if (parts.length === 0) return undefined;
    this.#parts = [];
    return parts.length === 1 ? parts[0] : Buffer.concat(parts);
  }

  /**
   * The same, once that is worth a write: each costs as much as to copy many kilobytes does. `read` is the length of a chunk that
   * was gone through. What is read counts and not what is kept, because the smallest part keeps all of its chunk in memory.
   */
  takeMuch(read: number): Buffer | undefined {
    this.#bytesSince += read;
    this.#chunksSince += 1;
    if (this.#bytesSince < manyBytes && this.#chunksSince < manyChunks) return undefined;
    this.#bytesSince = 0;
    this.#chunksSince = 0;
    return this.take();
  }

  #close(): void {
    if (this.#bytes) this.#parts.push(this.#bytes.subarray(this.#start, this.#end));
    this.#bytes = undefined;
  }
}
