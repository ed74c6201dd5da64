import { FactLog } from '../../src/facts/fact-log.ts';

/*
 * Promises and keeps facts on the journal of a folder as fast as it can, and tells on standard output what is on disk, until it
 * is killed. Nothing is ever acknowledged.
 */
const [folder = ''] = process.argv.slice(2);
const silent = { debug() {}, info() {}, warn() {}, error() {} };

const facts = await FactLog.open(
  {
    bus: { publishDurable: () => new Promise(() => undefined) },
    log: silent,
    clock: () => new Date(),
    agentId: 'edge-1',
  },
  { folder, maxBytes: 2 ** 28, syncMs: 1000, onFull: 'refuse', segmentBytes: 20_000 },
);
const fact = (outcome: string) => ({ type: 'KubeRequestAudited', v: 3, data: { outcome } });

for (let number = 0; ; number += 1) {
  const id = `request-${number}`;
  await facts.promise(fact('unknown'), new Date(), id);
  process.stdout.write(`promised ${id}\n`);
  if (number % 3 === 0) continue;
  facts.add(fact('known'), new Date(), id);
  if (number % 3 === 1) continue;
  await new Promise((resolve) => setImmediate(resolve));
  process.stdout.write(`told ${id}\n`);
}
