import { readFileSync } from 'node:fs';
import { type ClientHttp2Session, connect } from 'node:http2';
import { createInterface } from 'node:readline';

/** Who watches, and how: each person with connections of its own. */
export interface WatchersPlan {
  readonly origin: string;
  readonly path: string;
  readonly servername: string;
  readonly caFile: string;
  readonly people: readonly { readonly certFile: string; readonly keyFile: string }[];
}

/** An order on the standard input: opens watches, as many on each connection as said. */
export interface WatchersOrder {
  readonly connections: number;
  readonly perConnection: number;
}

/** An answer: how many are open, or how long after the order all had ended (`connections` of 0 waits for that). */
export interface WatchersTold {
  readonly open: number;
  readonly ms: number;
}

const plan = JSON.parse(process.argv[2]!) as WatchersPlan;
const ca = readFileSync(plan.caFile);
const people = plan.people.map(({ certFile, keyFile }) => ({
  cert: readFileSync(certFile),
  key: readFileSync(keyFile),
}));
let open = 0;
let opened = 0;
let allEnded: (() => void) | undefined;

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line) as WatchersOrder;
  const began = performance.now();
  if (order.connections === 0) await untilEnded();
  else for (let index = 0; index < order.connections; index += 1) await openMany(order.perConnection);
  const told: WatchersTold = { open, ms: performance.now() - began };
  console.log(JSON.stringify(told));
}

async function untilEnded(): Promise<void> {
  if (open === 0) return;
  await new Promise<void>((resolve) => (allEnded = resolve));
}

async function openMany(count: number): Promise<void> {
  const { cert, key } = people[opened % people.length]!;
  opened += 1;
  const session = connect(plan.origin, { cert, key, ca, servername: plan.servername });
  session.on('error', () => undefined);
  await Promise.all(Array.from({ length: count }, () => watch(session)));
}

/** Opens one watch and waits for its first event. */
function watch(session: ClientHttp2Session): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': plan.path, accept: 'application/json' });
    let isOpen = false;
    stream.on('response', ({ ':status': status }) => {
      if (status !== 200) reject(new Error(`a watch was answered with ${status}`));
    });
    stream.on('data', () => {
      if (isOpen) return;
      isOpen = true;
      open += 1;
      resolve();
    });
    stream.on('error', reject);
    stream.on('close', () => {
      if (!isOpen) return reject(new Error('a watch ended before its first event'));
      open -= 1;
      if (open === 0) allEnded?.();
    });
  });
}
