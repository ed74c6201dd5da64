import type { Arrival } from './upstream.ts';

/** A way to an upstream that broke under a request: the message is for people. What had not begun may be tried elsewhere. */
export class WayBroke extends Error {
  override readonly name = 'WayBroke';
  readonly arrival: Arrival;

  constructor(why: string, arrival: Arrival, options?: ErrorOptions) {
    super(why, options);
    this.arrival = arrival;
  }
}
