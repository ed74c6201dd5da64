import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { failure, messageOf } from '@postern/core';

/** Where to listen. Port 0 takes a free one. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** An address that could not be listened on. */
export const CannotListen = failure(
  'failed_precondition',
  'http.cannot_listen',
  (address: string, why: string) => `cannot listen on ${address}: ${why}`,
);

/** Starts listening; rejects when the address is taken. */
export function listenOn(server: Server, { host, port }: ListenAddress): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error) => reject(CannotListen.from(error, `${host}:${port}`, messageOf(error)));
    server.once('error', onError);
    server.listen(port, host, () => {
      server.off('error', onError);
      resolve(server.address() as AddressInfo);
    });
  });
}

/** Stops accepting, lets running requests end, and cuts what is left after `drainMs` milliseconds. */
export async function drain(server: Server, drainMs: number): Promise<void> {
  if (!server.listening) return;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), drainMs);
  await closed;
  clearTimeout(timer);
}
