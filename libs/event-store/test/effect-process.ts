import { connectBus, eventStreamName } from '@postern/bus';
import { failure } from '@postern/core';
import { sql } from 'kysely';
import { once, openEventStore, openParking } from '../src/index.ts';

/** A consumer with effects in a process of its own, which a test can kill. Every hundredth event is one it cannot handle. */
const [url = '', servers = ''] = process.argv.slice(2);
const Unlucky = failure('permission_denied', 'test.unlucky', () => 'unlucky');
const store = await openEventStore({ url, schema: 'join', context: 'join' });
const bus = await connectBus({ servers, name: 'effect-process' });
const durable = 'test__effects';
const consumption = bus.consume({
  stream: eventStreamName('join'),
  durable,
  parking: openParking({ store }),
  maxPending: 200,
  ackWaitMs: 2000,
  async handler(message) {
    const { id, data } = message.event();
    if (Number(data['index']) % 100 === 0) throw Unlucky();
    await once(store, { consumer: durable, eventId: id }, (trx) =>
      sql`insert into effect (event_id) values (${id}::uuid)`.execute(trx),
    );
  },
});
await consumption.ready;
process.stdout.write('ready\n');
