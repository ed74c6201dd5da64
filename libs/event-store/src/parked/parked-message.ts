/** A message that a consumer could not handle, whole. */
export interface ParkedMessage {
  readonly consumer: string;
  /** Name and time of making of the JetStream stream, and the place in it. */
  readonly stream: string;
  readonly streamCreated: string;
  readonly sequence: number;
  readonly subject: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** `Nats-Msg-Id`, or empty. */
  readonly eventId: string;
  /** `<aggregate>/<id>` of an event's subject, or empty. */
  readonly aggregate: string;
  readonly deliveries: number;
  /** Code and text of the failure. */
  readonly code: string;
  readonly error: string;
}

/** A row of `es_parked`. */
export interface ParkedRow extends ParkedMessage {
  readonly id: string;
  /** False when the body is only the beginning of what came. */
  readonly isWhole: boolean;
  readonly tries: number;
  readonly at: Date;
  readonly isRetrying: boolean;
}
