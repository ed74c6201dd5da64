// Starts one server of the lab and holds it until it is killed: the parent whose death the tests are about.
import { startNats, startPostgres } from '../../src/index.ts';

const [kind, dir] = process.argv.slice(2);
const server =
  kind === 'nats' ? await startNats({ dir: dir! }) : await startPostgres({ dataDir: dir!, durable: false });
process.stdout.write(`${JSON.stringify({ url: server.url, pid: server.pid })}\n`);
