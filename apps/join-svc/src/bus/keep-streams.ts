import { allStreams, type Bus, spreadFactLeaders, type StreamOptions } from '@postern/bus';
import { messageOf } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';

/**
 * Makes the JetStream streams of every service, and again after each reconnection, when it may be a server that was set up
 * anew; and keeps the leaders of facts on servers of their own. Nobody else may, where the bus asks for credentials.
 */
export async function keepStreams(
  bus: Bus,
  telemetry: Telemetry,
  options: StreamOptions = {},
): Promise<AsyncDisposable> {
  const streams = allStreams(options);
  await bus.reconcileStreams(streams);
  await using opening = new AsyncDisposableStack();
  const stop = bus.onReconnect(() => {
    bus
      .reconcileStreams(streams)
      .catch((error: unknown) =>
        telemetry.log.error('the streams of the bus are not as they should be', { error: messageOf(error) }),
      );
  });
  opening.defer(stop);
  if ((options.replicas ?? 1) > 1) opening.use(spreadFactLeaders(bus));
  return opening.move();
}
