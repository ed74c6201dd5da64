import { openFacts } from '../../src/facts/open-facts.ts';

/* Opens the facts of a data directory, promises one, says that it did, and goes on until it is killed. */
const [dataDir = ''] = process.argv.slice(2);
const silent = { debug() {}, info() {}, warn() {}, error() {} };

const facts = await openFacts(
  {
    bus: { publishDurable: () => new Promise(() => undefined) },
    log: silent,
    clock: () => new Date(),
    agentId: 'edge-1',
  },
  { dataDir, maxBytes: 2 ** 28, syncMs: 1000, onFull: 'refuse' },
);
await facts.promise({ type: 'KubeRequestAudited', v: 3, data: {} }, new Date(), 'request-1');
process.stdout.write('promised\n');
setInterval(() => undefined, 1000);
