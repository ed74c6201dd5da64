import { BlockList, isIP, isIPv4 } from 'node:net';

/**
 * What may be connected to. `forbidden` addresses are never an API server: link-local ranges and the metadata services of
 * clouds, which hand out credentials to whoever asks from inside, and addresses that mean no single host.
 */
export type AddressClass = 'ordinary' | 'loopback' | 'forbidden';

const loopback = blocks(['127.0.0.0/8', '::1/128']);
const forbidden = blocks([
  '0.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
  // Metadata services outside the link-local ranges: Alibaba Cloud, Azure, AWS.
  '100.100.100.200/32',
  '168.63.129.16/32',
  'fd00:ec2::254/128',
  '::/128',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
]);
const loopbackNames = ['localhost', 'localhost.localdomain', 'ip6-localhost', 'ip6-loopback'];
const forbiddenNames = [
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'instance-data',
  'instance-data.ec2.internal',
];

/**
 * Classifies the host of a URL, as `URL.hostname` has it: names and addresses, with or without brackets. A name is only known
 * to be ordinary for certain after it was resolved, so whoever connects classifies the resolved address again.
 */
export function addressClass(hostname: string): AddressClass {
  const host = hostname
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .toLowerCase();
  if (isIP(host) === 0) return nameClass(host);
  const addresses = [host, ...embeddedIPv4(host)];
  if (addresses.some((address) => has(forbidden, address))) return 'forbidden';
  return addresses.some((address) => has(loopback, address)) ? 'loopback' : 'ordinary';
}

function nameClass(name: string): AddressClass {
  if (name === '' || forbiddenNames.includes(name)) return 'forbidden';
  return loopbackNames.includes(name) || name.endsWith('.localhost') ? 'loopback' : 'ordinary';
}

/** IPv4 addresses that an IPv6 address stands for: mapped, compatible, NAT64 and 6to4 forms. */
function embeddedIPv4(host: string): string[] {
  if (isIPv4(host)) return [];
  const groups = groupsOf(host);
  const [a = 0, b = 0] = groups;
  const last = dotted(groups[6]!, groups[7]!);
  const leadingZeros = groups.findIndex((group) => group !== 0);
  if (a === 0x2002) return [dotted(b, groups[2]!)];
  if (a === 0x64 && b === 0xff9b) return [last];
  const isMapped = leadingZeros === 5 && groups[5] === 0xffff;
  const isTranslated = leadingZeros === 4 && groups[4] === 0xffff && groups[5] === 0;
  // `::1` and `::` are themselves, not the IPv4 addresses 0.0.0.1 and 0.0.0.0.
  const isCompatible = leadingZeros === 6;
  return isMapped || isTranslated || isCompatible ? [last] : [];
}

/** The eight 16-bit groups of a valid IPv6 address. */
function groupsOf(host: string): number[] {
  const text = new URL(`https://[${host.split('%')[0]}]`).hostname.slice(1, -1);
  const [head = '', tail] = text.split('::');
  const left = numbers(head);
  if (tail === undefined) return left;
  const right = numbers(tail);
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
}

function numbers(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

function blocks(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [address, bits] = range.split('/');
    list.addSubnet(address!, Number(bits), address!.includes(':') ? 'ipv6' : 'ipv4');
  }
  return list;
}

function has(list: BlockList, address: string): boolean {
  return list.check(address.split('%')[0]!, isIPv4(address) ? 'ipv4' : 'ipv6');
}

/** Whether an address may be connected to, by what the operator of a process allows. */
export function mayConnect(address: string, { allowLoopback }: { readonly allowLoopback: boolean }): boolean {
  const kind = addressClass(address);
  return kind === 'ordinary' || (kind === 'loopback' && allowLoopback);
}
