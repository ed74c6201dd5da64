import { failure } from '@postern/core';

/** Text that is not the address of a proxy. */
export const InvalidProxyAddress = failure(
  'invalid_argument',
  'client.invalid_proxy_address',
  (text: string) => `invalid proxy address ${JSON.stringify(text.slice(0, 100))}: write host:port`,
);

const defaultPort = 3080;

/** `host:port` of a proxy, from what people write: `https://` and a trailing slash are dropped, the port defaults to 3080. */
export function proxyAddress(text: string): string {
  const bare = text
    .trim()
    .replace(/^https:\/\//i, '')
    .replace(/\/$/, '');
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?)(?::(\d{1,5}))?$/.exec(
    bare,
  );
  const port = Number(match?.[2] ?? defaultPort);
  if (!match || port < 1 || port > 65_535) throw InvalidProxyAddress(text);
  return `${match[1]!.toLowerCase()}:${port}`;
}

/** The host of a `host:port`, without brackets. */
export function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '');
}
