import { Dispatcher, errors } from 'undici';

/** A dispatcher that ends in one way: whatever is under way fails with an error. */
export abstract class EndingDispatcher extends Dispatcher {
  protected abstract end(error: Error): void;

  override close(): Promise<void>;
  override close(callback: () => void): void;
  override close(callback?: () => void): Promise<void> | void {
    this.end(new errors.ClientClosedError());
    if (!callback) return Promise.resolve();
    callback();
  }

  override destroy(): Promise<void>;
  override destroy(error: Error | null): Promise<void>;
  override destroy(callback: () => void): void;
  override destroy(error: Error | null, callback: () => void): void;
  override destroy(first?: Error | null | (() => void), callback?: () => void): Promise<void> | void {
    this.end(first instanceof Error ? first : new errors.ClientDestroyedError());
    const told = typeof first === 'function' ? first : callback;
    if (!told) return Promise.resolve();
    told();
  }
}
