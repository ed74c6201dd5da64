/** A parked message, as far as tests look at it. */
interface Parked {
  readonly consumer: string;
  readonly subject: string;
  readonly sequence: number;
  readonly body: Uint8Array;
  readonly code: string;
  readonly error: string;
}

/** Parked messages in memory, for tests of consumers that have no database. */
export interface MemoryParking<Message extends Parked = Parked> {
  readonly parked: readonly Message[];
  park(message: Message, mostOfSubject?: number): Promise<boolean>;
  onRetry(consumer: string, handle: (message: Message) => Promise<void>): Disposable;
  /** Hands a message to its consumer again, as a person asks for; what the handler throws is thrown here. */
  retry(message: Message): Promise<void>;
}

/** Opens it. `park` fails for as long as `isFull` says. */
export function memoryParking<Message extends Parked = Parked>(isFull = () => false): MemoryParking<Message> {
  const parked: Message[] = [];
  const handlers = new Map<string, (message: Message) => Promise<void>>();
  return {
    parked,
    async park(message, mostOfSubject = Infinity) {
      if (isFull()) throw new Error('the parking is full');
      const ofSubject = parked.filter(({ subject }) => subject === message.subject);
      if (ofSubject.length >= mostOfSubject) return false;
      parked.push(message);
      return true;
    },
    onRetry(consumer, handle) {
      handlers.set(consumer, handle);
      return { [Symbol.dispose]: () => void handlers.delete(consumer) };
    },
    async retry(message) {
      await handlers.get(message.consumer)!(message);
      parked.splice(parked.indexOf(message), 1);
    },
  };
}
