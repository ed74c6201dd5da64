import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createAuthority,
  ensureSecureDirectory,
  generateKeyPair,
  type IdentityFile,
  issueCertificate,
  newKeyText,
  openSealer,
  parseIdentityFile,
  readIdentityFile,
  readSecretFile,
  writeIdentityFile,
  writeSecureFile,
} from '../src/index.ts';
import { systemClock } from '@postern/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

let folder: string;
let identity: IdentityFile;
let other: IdentityFile;
let userLeaf: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'identity-'));
  const host = await createAuthority({ use: 'host', clusterName: 'postern', clock: systemClock });
  const user = await createAuthority({ use: 'user', clusterName: 'postern', clock: systemClock });
  const make = async (): Promise<IdentityFile> => {
    const { privateKey: key, publicKey } = await generateKeyPair();
    const session = '0198a000-0000-7000-8000-000000000001';
    const notAfter = new Date(Date.now() + 60_000);
    const certificate = await issueCertificate(user, {
      type: 'user',
      id: 'alice',
      publicKey,
      notAfter,
      session,
    });
    return { key, certificate, hostCa: host.certificate, clusterName: 'postern', proxy: '127.0.0.1:3080' };
  };
  [identity, other] = await Promise.all([make(), make()]);
  userLeaf = other.certificate;
});
afterAll(() => rm(folder, { recursive: true }));

describe('an identity file', () => {
  test('reads back as it was written', async () => {
    const path = join(folder, 'alice.pem');
    await writeIdentityFile(path, identity);
    expect(await readIdentityFile(path)).toEqual(identity);
  });

  test('is for its owner alone, even where the umask hides nothing (C-16)', async () => {
    const before = process.umask(0);
    const path = join(folder, 'umask.pem');
    try {
      await writeIdentityFile(path, identity);
    } finally {
      process.umask(before);
    }
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test('narrows the mode of the file it replaces, and leaves nothing beside it', async () => {
    const own = await mkdtemp(join(folder, 'own-'));
    const path = join(own, 'alice.pem');
    await writeFile(path, 'old', { mode: 0o666 });
    await chmod(path, 0o666);
    await writeIdentityFile(path, identity);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(own)).toEqual(['alice.pem']);
  });

  test('does not go through a symbolic link', async () => {
    const target = join(folder, 'target');
    const path = join(folder, 'link.pem');
    await writeFile(target, 'untouched');
    await symlink(target, path);
    await expect(writeIdentityFile(path, identity)).rejects.toThrow('not a regular file');
    expect(await readFile(target, 'utf8')).toBe('untouched');
  });

  test.each([
    ['nothing', () => ''],
    ['no key', () => identity.certificate + identity.hostCa],
    ['two keys', () => identity.key + other.key + identity.certificate + identity.hostCa],
    ['no authority', () => identity.key + identity.certificate],
    ["another's key", () => other.key + identity.certificate + identity.hostCa],
    ['two leaf certificates', () => identity.key + identity.certificate + userLeaf],
  ])('with %s is refused', (_, text) => {
    expect(() => parseIdentityFile(text())).toThrow('not an identity file');
  });

  test('that is missing is refused in one line', async () => {
    await expect(readIdentityFile(join(folder, 'none'))).rejects.toThrow('cannot be opened (ENOENT)');
  });
});

describe('a secret file', () => {
  test('that everybody may read is refused', async () => {
    const path = join(folder, 'open');
    await writeFile(path, 'secret');
    await chmod(path, 0o644);
    await expect(readSecretFile(path)).rejects.toThrow('others may read it');
  });

  test('of our own is refused when its group may read it or it is a link', async () => {
    const path = join(folder, 'group');
    await writeSecureFile(path, 'secret');
    await symlink(path, `${path}-link`);
    expect((await readSecretFile(path, { own: true })).reveal()).toBe('secret');
    expect((await readSecretFile(`${path}-link`)).reveal()).toBe('secret');
    await expect(readSecretFile(`${path}-link`, { own: true })).rejects.toThrow('symbolic link');
    await chmod(path, 0o640);
    await expect(readSecretFile(path, { own: true })).rejects.toThrow('others may read it');
  });

  test('larger than expected is refused', async () => {
    const path = join(folder, 'large');
    await writeSecureFile(path, 'x'.repeat(300));
    await expect(readSecretFile(path, { maxBytes: 200 })).rejects.toThrow('larger');
  });

  test('with a key opens a sealer, and one with anything else does not', async () => {
    const path = join(folder, 'kek');
    await writeSecureFile(path, newKeyText().reveal());
    expect((await openSealer(path)).keyId).toMatch(/^[0-9a-f]{16}$/);
    await writeSecureFile(path, 'short\n');
    await expect(openSealer(path)).rejects.toThrow('32 random bytes');
  });
});

describe('a directory for secrets', () => {
  test('is made for its owner alone', async () => {
    const path = join(folder, 'a', 'b');
    await ensureSecureDirectory(path);
    expect((await stat(path)).mode & 0o777).toBe(0o700);
  });

  test('that others may write to is refused', async () => {
    const path = join(folder, 'shared');
    await mkdir(path);
    await chmod(path, 0o777);
    await expect(ensureSecureDirectory(path)).rejects.toThrow('others may write to it');
  });
});
