import type { Failure } from '@postern/core';
import { addressClass } from './network-address.ts';

/**
 * The URL of an API server, checked and rebuilt from its parts. The URL parser turns decimal, hexadecimal and octal
 * spellings of IPv4 addresses into dotted ones first, so that they are judged as what they mean.
 */
export function apiServerUrl(
  text: string,
  { allowLoopback }: { readonly allowLoopback: boolean },
  refuse: Failure<[why: string]>,
): string {
  if (text === '') throw refuse('its cluster has no server');
  const url = URL.parse(text);
  if (url === null || /[\s\p{Cc}\\]/u.test(text)) throw refuse('server must be a URL like https://host:6443');
  if (url.protocol !== 'https:') throw refuse('server must start with https://');
  if (url.username !== '' || url.password !== '')
    throw refuse('server must not hold a user name or password');
  if (url.search !== '' || url.hash !== '') throw refuse('server must not hold a query or fragment');
  const kind = addressClass(url.hostname);
  if (kind === 'forbidden') throw refuse('server must not be a link-local, metadata or multicast address');
  if (kind === 'loopback' && !allowLoopback)
    throw refuse('server is on the loopback interface, which is not allowed here');
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}
