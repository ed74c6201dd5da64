import type { Bus } from '@postern/bus';
import { agentSubjects } from '@postern/contracts';

/** The server needs a tenth of a second to close connections; what the agent said last must not be the last word. */
const againAfterMs = 1_000;

/** Says goodbye in the name of an agent that the bus hears no more, now and once again. */
export function sayGoodbye(bus: Pick<Bus, 'publish'>, agentId: string): void {
  const say = () => bus.publish(agentSubjects.goodbye(agentId), { revoked: true });
  say();
  setTimeout(say, againAfterMs).unref();
}
