/** Bytes of content that passed so far: of a body, an answer, or a stream that both sides write. */
export interface Traffic {
  /** From the client. */
  bytesIn: number;
  /** To the client. */
  bytesOut: number;
}
