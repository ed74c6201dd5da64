/** The streams of a command. `error` carries the metav1.Status that it ended with. */
export type Channel = 'stdin' | 'stdout' | 'stderr' | 'error' | 'resize';

export const clientChannels: readonly Channel[] = ['stdin', 'resize'];
export const serverChannels: readonly Channel[] = ['stdout', 'stderr', 'error'];

export interface CommandEvents {
  /** What is sent from now on arrives. */
  ready(): void;
  data(channel: Channel, chunk: Buffer): void;
  /** Nothing more comes on the channel. */
  finished(channel: Channel): void;
  drained(): void;
  /** The peer is gone. Comes once, and last. */
  closed(): void;
}

/** One side of a command, in whichever protocol its peer speaks. */
export interface CommandEnd {
  /** Sends on a channel; one that the peer did not ask for is passed over. False says to wait until drained. */
  send(channel: Channel, chunk: Buffer): boolean;
  /** Says that nothing more comes on a channel, as far as the protocol can. */
  finish(channel: Channel): void;
  /** Ends in order: everything was sent. */
  close(): void;
  pause(): void;
  resume(): void;
  destroy(): void;
}
