import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { dataDirOf, proxyAddress } from '@postern/client';

/**
 * The CA pin of a control plane whose data directory is on this machine, when `proxy` is its edge; nothing otherwise. Whoever
 * reads that directory has the CA at first hand, so a trial on one machine needs no pin to be copied.
 */
export async function localPins(
  proxy: string,
  { env, cwd }: { readonly env: Readonly<Record<string, string | undefined>>; readonly cwd: string },
): Promise<string[]> {
  const dataDir = dataDirOf(env, cwd);
  const edge = read(join(dataDir, 'proxy-addr'))?.trim();
  const authority = read(join(dataDir, 'ca.pem'));
  if (!edge || !authority || proxyAddress(edge) !== proxy) return [];
  const { caPin, splitPem } = await import('@postern/identity');
  return splitPem(authority).map(caPin);
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
