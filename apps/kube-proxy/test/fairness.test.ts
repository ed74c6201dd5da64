import type { Exchange, Sink } from '../src/listen/exchange.ts';
import { expect, test } from 'vitest';
import { until } from './support/rig.ts';
import { ask, type TestEdge, TunnelRig } from './support/tunnel-rig.ts';

const chunk = Buffer.alloc(64 * 1024, 'x');
/** What may be under way on a tunnel in front of an event: windows of the stream, and what waits in sockets. */
const underWayBytes = 16 * 1024 * 1024;

/** An API server behind an agent: `/bulk` never ends until it is told to, `/watch` says what it is told. */
class Served {
  #watcher: Sink | undefined;
  isBulkOver = false;

  readonly serve = ({ target, answer }: Exchange): void => {
    answer.begin(200, ['content-type', 'text/plain']);
    if (target === '/bulk') this.#pour(answer.sink);
    else if (target === '/watch') this.#watcher = answer.sink;
    else answer.sink.end('unary');
  };

  get isWatched(): boolean {
    return this.#watcher !== undefined;
  }

  tell(event: string): void {
    this.#watcher!.write(Buffer.from(`${event}\n`));
  }

  endWatch(): void {
    this.#watcher!.end();
  }

  #pour(sink: Sink): void {
    const more = () => {
      while (!this.isBulkOver && !sink.destroyed)
        if (!sink.write(chunk)) return void sink.once('drain', more);
      sink.end();
    };
    more();
  }
}

/** A client that reads an answer as fast as it comes. */
function read(
  { tunnels }: TestEdge,
  { agentId, path, came = () => undefined }: { agentId: string; path: string; came?: (data: Buffer) => void },
) {
  const seen = { bytes: 0, isOver: false };
  const request = { method: 'GET', path, headers: [], isLongLived: path === '/watch', body: null };
  const ended = new Promise<void>((resolve, reject) => {
    tunnels.reach.upstreamOf(agentId).dispatch(request, {
      onResponseData: (_controller, data) => {
        seen.bytes += data.length;
        came(data);
      },
      onResponseEnd: () => {
        seen.isOver = true;
        resolve();
      },
      onResponseError: (_controller, error) => reject(error),
    });
  });
  return { seen, ended };
}

test.for(['its own edge', 'another edge'])(
  'a download without end through the tunnel of %s holds up neither a watch nor a request (W-11)',
  async (way) => {
    await using rig = await TunnelRig.start();
    const [first, second] = [await rig.edge('e1'), await rig.edge('e2')];
    const agent = await rig.agent('a1', [first]);
    const edge = way === 'its own edge' ? first : second;
    const place = edge === first ? 'here' : 'elsewhere';
    await until(() => edge.tunnels.reach.placeOf('a1') === place, 'the agent is reached', 10_000);
    const served = new Served();
    agent.serve = served.serve;
    let atEvent = -1;
    const came = () => void (atEvent = bulk.seen.bytes);
    const watch = read(edge, { agentId: 'a1', path: '/watch', came });
    await until(() => served.isWatched, 'the watch is open');
    const bulk = read(edge, { agentId: 'a1', path: '/bulk' });
    await until(() => bulk.seen.bytes > underWayBytes, 'the download has begun', 20_000);

    for (let event = 0; event < 10; event += 1) {
      const before = bulk.seen.bytes;
      atEvent = -1;
      served.tell(`event ${event}`);
      await until(() => atEvent >= 0, 'the event came', 20_000);
      expect(atEvent - before).toBeLessThan(underWayBytes);
      const begun = bulk.seen.bytes;
      expect((await ask(edge, 'a1', { path: '/unary' })).text).toBe('unary');
      expect(bulk.seen.bytes - begun).toBeLessThan(2 * underWayBytes);
      await until(() => bulk.seen.bytes > before, 'the download goes on', 20_000);
    }
    expect(bulk.seen.isOver).toBe(false);
    served.isBulkOver = true;
    served.endWatch();
    await Promise.all([bulk.ended, watch.ended]);
  },
);
