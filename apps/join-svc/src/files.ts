import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureSecureDirectory, writeSecureFile } from '@postern/identity';

/** Leaves the public certificate of the host CA at `<dataDir>/ca.pem`, for whoever starts an agent on this machine. */
export async function writeCaFile(dataDir: string, hostCa: string): Promise<void> {
  await ensureSecureDirectory(dataDir);
  const path = join(dataDir, 'ca.pem');
  await writeSecureFile(path, hostCa);
  await chmod(path, 0o644);
}
