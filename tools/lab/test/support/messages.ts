// oxlint-disable-next-line no-restricted-imports -- the lab may not depend on the bus, which is tested with the lab
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
// oxlint-disable-next-line no-restricted-imports -- as above
import { connect } from '@nats-io/transport-node';

const stream = { name: 'KEPT', subjects: ['kept.>'] };

/** Stores messages in a JetStream stream; each is acknowledged when this returns. */
export async function store(url: string, count: number): Promise<void> {
  const connection = await connect({ servers: url });
  try {
    await (await jetstreamManager(connection)).streams.add(stream);
    for (let n = 0; n < count; n++) await jetstream(connection).publish(`kept.${n}`, `message ${n}`);
  } finally {
    await connection.close();
  }
}

/** How many messages the stream holds. */
export async function countStored(url: string): Promise<number> {
  const connection = await connect({ servers: url });
  try {
    return (await (await jetstreamManager(connection)).streams.info(stream.name)).state.messages;
  } finally {
    await connection.close();
  }
}
