/** Where something listens or is reached. */
export interface NetworkAddress {
  /** A name or an address, without brackets. */
  readonly host: string;
  readonly port: number;
}

const everyInterface = '0.0.0.0';

/** Reads `host:port`, `[v6]:port` or `:port`; without a port only where there is a default. */
export function readAddress(text: string, defaultPort?: number): NetworkAddress {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]*))(?::(\d{1,5}))?$/.exec(text);
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || text === '' || port === undefined || port > 65_535) {
    throw new Error('must be like host:port');
  }
  return { host: host === '' ? everyInterface : host, port };
}

/** Writes what `readAddress` reads. */
export function formatAddress({ host, port }: NetworkAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
