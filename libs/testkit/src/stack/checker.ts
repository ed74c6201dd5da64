import { readFileSync } from 'node:fs';
import { createUserKey, userJwt } from '@postern/bus';
import { openDataDir } from '@postern/postern';

const lifeMs = 6 * 3_600_000;

/** What a bus connection of a test needs that may do everything, which no part of the product may. */
export interface CheckerCredentials {
  readonly creds: { readonly seed: string; readonly jwt: string };
  readonly ca: string;
}

/** Makes them from the keys of a data directory. */
export function checkerCredentials(dataDir: string): CheckerCredentials {
  const { busAccountSeedFile, busCaFile } = openDataDir(dataDir);
  const { seed, publicKey: userPublicKey } = createUserKey();
  const jwt = userJwt({
    accountSeed: readFileSync(busAccountSeedFile, 'utf8').trim(),
    userPublicKey,
    name: 'checker',
    publish: ['>'],
    subscribe: ['>'],
    mayRespond: false,
    isService: true,
    expires: new Date(Date.now() + lifeMs),
  });
  return { creds: { seed, jwt }, ca: readFileSync(busCaFile, 'utf8') };
}
