import { homedir } from 'node:os';
import { join } from 'node:path';

/** A folder for what is costly to get and the same for every checkout: `$XDG_CACHE_HOME/postern`, by default `~/.cache/postern`. */
export function cacheDir(...parts: readonly string[]): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'postern', ...parts);
}
