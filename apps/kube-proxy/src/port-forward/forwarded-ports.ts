import { failure } from '@postern/core';
import type { RequestInfo } from '../request/request-info.ts';

export const InvalidPort = failure(
  'invalid_argument',
  'kube.invalid_port',
  (port: string) => `${JSON.stringify(port.slice(0, 20))} is no port: it must be a number from 1 to 65535`,
);

export const PortNotAsked = failure(
  'permission_denied',
  'kube.port_not_asked',
  (port: number) => `port ${port} is forbidden: the port-forward was requested for other ports`,
);

const maxPorts = 64;

/** A port in the one spelling that Kubernetes writes. Throws InvalidPort. */
export function parsePort(text: string): number {
  const port = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : 0;
  if (port === 0 || port > 65_535) throw InvalidPort(text);
  return port;
}

/** The ports that the query of a port-forward names, in their order. None says that streams name them. Throws InvalidPort. */
export function askedPorts({ query }: Pick<RequestInfo, 'query'>): number[] {
  const values = query.filter(([key]) => key === 'ports').flatMap(([, value]) => value.split(','));
  if (values.length > maxPorts) throw InvalidPort('a list that is too long');
  return values.map(parsePort);
}
