import type { Nats } from '@postern/lab';
import { type BusKeys, busServerLifeMs } from '@postern/postern';

interface Certified {
  readonly nats: Pick<Nats, 'replaceTls'>;
  readonly renewTls: BusKeys['renewTls'];
  /** Milliseconds; of the certificates that `openBusKeys` makes where absent. */
  readonly lifeMs?: number;
  /** What became of a renewal that failed; it is tried again. */
  readonly onFailed: (error: unknown) => void;
}

const dayMs = 86_400_000;

/**
 * Gives nats-server another certificate when two thirds of the life of its own are over. Its authority is not one of those that are
 * rotated, so this is all that ends while it runs (ADR 43).
 */
export function keepBusCertificate({
  nats,
  renewTls,
  lifeMs = busServerLifeMs,
  onFailed,
}: Certified): Disposable {
  const renewIn = (lifeMs * 2) / 3;
  let renewAt = Date.now() + renewIn;
  const look = async () => {
    if (Date.now() < renewAt) return;
    nats.replaceTls(await renewTls());
    renewAt = Date.now() + renewIn;
  };
  // No timer waits for months.
  const timer = setInterval(() => void look().catch(onFailed), Math.min(dayMs, lifeMs / 10));
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
