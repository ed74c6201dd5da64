/** A message as it came. */
export interface Message {
  readonly subject: string;
  json(): unknown;
}

/** The parts of the bus that the edge needs. */
export interface EdgeBus {
  publish(subject: string, message: unknown): unknown;
  request(subject: string, message: unknown, options: { timeoutMs: number }): Promise<unknown>;
  subscribe(
    subject: string,
    options: object,
    handler: (message: Message) => void,
  ): { unsubscribe(): unknown };
}
