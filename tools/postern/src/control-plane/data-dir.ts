import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Paths of the files that the whole system shares in a local data directory. */
export interface DataDir {
  readonly path: string;
  readonly keyFile: string;
  readonly serviceTokenFile: string;
  readonly staticTokensFile: string;
  readonly busKeysFile: string;
  readonly busAccountSeedFile: string;
  readonly busOperatorFile: string;
  readonly busCaFile: string;
  readonly adminIdentityFile: string;
  readonly caFile: string;
  readonly proxyAddrFile: string;
  folder(name: string): string;
}

/** Opens (or makes, 0700) a data directory and the two secrets that every start finds again. */
export function openDataDir(path: string): DataDir {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700);
  const file = (name: string) => join(path, name);
  const dataDir: DataDir = {
    path,
    keyFile: file('kek'),
    serviceTokenFile: file('service-token'),
    staticTokensFile: file('static-tokens'),
    busKeysFile: file('bus-keys.json'),
    busAccountSeedFile: file('bus-account-seed'),
    busOperatorFile: file('bus-operator'),
    busCaFile: file('bus-ca.pem'),
    adminIdentityFile: file('admin-identity.pem'),
    caFile: file('ca.pem'),
    proxyAddrFile: file('proxy-addr'),
    folder(name) {
      mkdirSync(file(name), { recursive: true, mode: 0o700 });
      return file(name);
    },
  };
  keep(dataDir.keyFile, () => `${randomBytes(32).toString('base64')}\n`);
  keep(dataDir.serviceTokenFile, () => `${randomBytes(32).toString('hex')}\n`);
  return dataDir;
}

/** The content of a secret file, made once. A crash in between leaves either no file or the whole one. */
export function keep(file: string, make: () => string): string {
  if (!existsSync(file)) writeSecret(file, make());
  return readFileSync(file, 'utf8');
}

/** Writes a file only its owner can read, all or nothing. */
export function writeSecret(file: string, text: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, file);
}
