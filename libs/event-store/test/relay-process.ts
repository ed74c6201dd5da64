import { connectBus, eventStreamTarget } from '@postern/bus';
import { openEventStore, startRelay } from '../src/index.ts';

/** A relay in a process of its own, which a test can stop and go on. It says when it leads. */
const [url = '', servers = ''] = process.argv.slice(2);
const store = await openEventStore({ url, schema: 'join', context: 'join' });
const bus = await connectBus({ servers, name: 'relay-process' });
const relay = startRelay({ store, target: eventStreamTarget(bus, 'join') });
const timer = setInterval(() => {
  if (!relay.isLeading) return;
  clearInterval(timer);
  process.stdout.write('leading\n');
}, 10);
