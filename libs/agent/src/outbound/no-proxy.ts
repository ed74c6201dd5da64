import { BlockList, isIP } from 'node:net';

/** Where a connection leads. The host is a name or an address, without brackets. */
export interface Destination {
  readonly host: string;
  readonly port: number;
}

/**
 * Whether `NO_PROXY` exempts a destination, as curl and Go read it: names with their subdomains, `.name` for subdomains alone,
 * addresses, networks, each with or without a port, and `*` for everything. This machine needs no proxy to reach itself.
 */
export function isExempt(noProxy: string, to: Destination): boolean {
  const host = to.host.toLowerCase();
  if (host === 'localhost' || isLoopback(host)) return true;
  const items = noProxy.split(',').map((item) => item.trim().toLowerCase());
  return items.some((item) => item !== '' && covers(item, host, to.port));
}

function covers(item: string, host: string, port: number): boolean {
  if (item === '*') return true;
  if (item.includes('/')) return isIP(host) !== 0 && isInNetwork(item, host);
  const [, bare = item, itemPort] = /^(\[[0-9a-f:.]+\]|[^:]+):(\d+)$/.exec(item) ?? [];
  if (itemPort !== undefined && Number(itemPort) !== port) return false;
  const name = bare.replace(/^\[(.*)\]$/, '$1');
  if (isIP(name) !== 0) return name === host;
  const domain = name.replace(/^\*?\./, '.');
  return domain.startsWith('.') ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`);
}

function isInNetwork(network: string, host: string): boolean {
  const [address = '', bits = ''] = network.split('/');
  const family = isIP(address);
  const isNetwork = family !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
  if (!isNetwork || family !== isIP(host)) return false;
  const list = new BlockList();
  list.addSubnet(address, Number(bits), family === 4 ? 'ipv4' : 'ipv6');
  return list.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

function isLoopback(host: string): boolean {
  return host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
