import { workerData } from 'node:worker_threads';
import { Agent, request } from 'undici';

/** A thread that sends a bad join again and again, from many addresses of this machine. */
export interface FloodPlan {
  readonly url: string;
  readonly ca: string;
  readonly body: string;
  readonly addresses: number;
  /** How many were answered, by status: 403 at the first place, 429 at the second, everything else at the third. */
  readonly answered: SharedArrayBuffer;
}

const { url, ca, body, addresses, answered } = workerData as FloodPlan;
const counts = new Int32Array(answered);
const headers = { 'content-type': 'application/json' };

await Promise.all(Array.from({ length: addresses }, (_, at) => floodFrom(`127.0.9.${at + 1}`)));

async function floodFrom(localAddress: string): Promise<never> {
  const dispatcher = new Agent({ connections: 4, localAddress, connect: { ca } });
  const send = async (): Promise<never> => {
    for (;;) {
      const place = await statusOf(dispatcher);
      Atomics.add(counts, place === 403 ? 0 : place === 429 ? 1 : 2, 1);
    }
  };
  return Promise.race([send(), send(), send(), send()]);
}

async function statusOf(dispatcher: Agent): Promise<number> {
  try {
    const reply = await request(url, { dispatcher, method: 'POST', headers, body });
    await reply.body.dump();
    return reply.statusCode;
  } catch {
    return 0;
  }
}
