import { randomInt } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';

// A port that was free a moment ago and whose server has not bound it yet must not be handed out twice.
const handedOut = new Set<number>();

/**
 * Below the ports that Linux gives to outgoing connections (ip(7), ip_local_port_range: 32768 and up): one of those may be
 * taken by any connection between the moment it was found free and the moment its server binds it.
 */
const range = { from: 15_000, to: 32_767 };
const attempts = 500;

/** A TCP port that is free on 127.0.0.1: the preferred one when it can be had, else any. */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred && (await isFree(preferred))) {
    handedOut.add(preferred);
    return preferred;
  }
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const port = randomInt(range.from, range.to + 1);
    if (handedOut.has(port)) continue;
    handedOut.add(port);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free TCP port on 127.0.0.1 from ${range.from} to ${range.to}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** The port this file remembers when it is still free, else a new one, which the file then remembers. */
export async function rememberedPort(file: string): Promise<number> {
  const last = existsSync(file) ? Number(readFileSync(file, 'utf8')) : undefined;
  const port = await freePort(Number.isInteger(last) ? last : undefined);
  writeFileSync(file, `${port}\n`);
  return port;
}
