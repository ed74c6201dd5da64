import { allStreams, type Bus, type StreamOptions } from '@postern/bus';
import { messageOf } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';

/**
 * Makes the JetStream streams of every service, and again after each reconnection, when it may be a server that was set up
 * anew. Nobody else may, where the bus asks for credentials.
 */
export async function keepStreams(
  bus: Bus,
  telemetry: Telemetry,
  options: StreamOptions = {},
): Promise<Disposable> {
  const streams = allStreams(options);
  await bus.reconcileStreams(streams);
  const stop = bus.onReconnect(() => {
    bus
      .reconcileStreams(streams)
      .catch((error: unknown) =>
        telemetry.log.error('the streams of the bus are not as they should be', { error: messageOf(error) }),
      );
  });
  return { [Symbol.dispose]: stop };
}
