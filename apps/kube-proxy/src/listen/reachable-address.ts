import { networkInterfaces } from 'node:os';

/** host:port at which other machines reach what listens here: where it listens on every interface, the first address of one. */
export function reachableAt({ host, port }: { readonly host: string; readonly port: number }): string {
  const isEvery = host === '0.0.0.0' || host === '::';
  const name = isEvery ? firstAddress() : host;
  return `${name.includes(':') ? `[${name}]` : name}:${port}`;
}

function firstAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const outside = all.filter(({ internal, scopeid }) => !internal && !scopeid);
  const first = outside.find(({ family }) => family === 'IPv4') ?? outside[0];
  return first?.address ?? '127.0.0.1';
}
