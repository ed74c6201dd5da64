import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';

// A port that was free a moment ago and whose server has not bound it yet must not be handed out twice.
const handedOut = new Set<number>();

/** A TCP port that is free on 127.0.0.1: the preferred one when it can be had, else any. */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred && (await bind(preferred))) {
    handedOut.add(preferred);
    return preferred;
  }
  for (;;) {
    const port = await bind(0);
    if (!port) throw new Error('no free TCP port on 127.0.0.1');
    if (handedOut.has(port)) continue;
    handedOut.add(port);
    return port;
  }
}

function bind(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? address?.port : undefined));
    });
  });
}

/** The port this file remembers when it is still free, else a new one, which the file then remembers. */
export async function rememberedPort(file: string): Promise<number> {
  const last = existsSync(file) ? Number(readFileSync(file, 'utf8')) : undefined;
  const port = await freePort(Number.isInteger(last) ? last : undefined);
  writeFileSync(file, `${port}\n`);
  return port;
}
