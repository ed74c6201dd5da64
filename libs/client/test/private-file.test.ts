import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@postern/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { writePrivateFile } from '../src/index.ts';

describe('a private file', () => {
  test('is for its owner only, also when the umask allows everything', () => {
    const before = process.umask(0);
    onTestFinished(() => void process.umask(before));
    const path = join(temporaryFolder(), 'deep', 'key.pem');
    writePrivateFile(path, 'secret', { overwrite: false });
    expect([statSync(path).mode & 0o777, statSync(join(path, '..')).mode & 0o777]).toEqual([0o600, 0o700]);
  });

  test('becomes private when it replaces one that was not', () => {
    const path = join(temporaryFolder(), 'config');
    writeFileSync(path, 'old', { mode: 0o644 });
    writePrivateFile(path, 'new', { overwrite: true });
    expect([readFileSync(path, 'utf8'), statSync(path).mode & 0o777]).toEqual(['new', 0o600]);
  });

  test('is not written over another unless that is meant', () => {
    const path = join(temporaryFolder(), 'file');
    writeFileSync(path, 'old');
    expect(() => writePrivateFile(path, 'new', { overwrite: false })).toThrow(/exists already/);
    expect(readFileSync(path, 'utf8')).toBe('old');
  });

  test('is not written through a symbolic link', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'victim'), 'precious');
    symlinkSync('victim', join(folder, 'link'));
    expect(() => writePrivateFile(join(folder, 'link'), 'x', { overwrite: true })).toThrow(/symbolic link/);
    expect(readFileSync(join(folder, 'victim'), 'utf8')).toBe('precious');
  });

  test('is not written where a dangling link, a hard link or a folder is', () => {
    const folder = temporaryFolder();
    symlinkSync('nowhere', join(folder, 'dangling'));
    writeFileSync(join(folder, 'victim'), 'precious');
    linkSync(join(folder, 'victim'), join(folder, 'hard'));
    mkdirSync(join(folder, 'folder'));
    for (const name of ['dangling', 'hard', 'folder']) {
      expect(() => writePrivateFile(join(folder, name), 'x', { overwrite: true })).toThrow(
        /refusing to write/,
      );
    }
    expect(existsSync(join(folder, 'nowhere'))).toBe(false);
  });

  test('leaves nothing else behind', () => {
    const folder = temporaryFolder();
    writePrivateFile(join(folder, 'a'), 'x', { overwrite: true });
    expect(() => writePrivateFile(join(folder, 'a'), 'x', { overwrite: false })).toThrow(/exists/);
    expect(readdirSync(folder)).toEqual(['a']);
  });
});
