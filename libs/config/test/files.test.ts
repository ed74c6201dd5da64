import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { readConfig, secretFile, textOrFile } from '../src/index.ts';

describe('a secret file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-config-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (name: string, content: string, mode: number): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  };
  const token = secretFile('X', { summary: 'a thing' });
  const read = (path: string) => readConfig({ it: token }, { X: path }).it;

  test('is read without its line end and does not show', () => {
    const secret = read(file('good', 'hunter2\n', 0o600));
    expect(secret.reveal()).toBe('hunter2');
    expect(inspect(secret) + String(secret) + JSON.stringify({ secret })).not.toContain('hunter2');
  });

  test('may be read by its group, as a mounted Secret is', () => {
    expect(read(file('group', 'x', 0o440))).toBeDefined();
  });

  test.each([
    ['that everybody may read', () => file('open', 'x', 0o644), 'everybody'],
    ['that is empty', () => file('empty', ' \n', 0o600), 'empty'],
    ['that is huge', () => file('huge', 'x'.repeat(70_000), 0o600), 'too large'],
    ['that is not there', () => join(folder, 'none'), 'ENOENT'],
    ['that is a directory', () => folder, 'regular file'],
  ])('%s is refused', (_, path, why) => {
    expect(() => read(path())).toThrow(why);
  });
});

describe('a value that may be a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-yaml-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  test('is the trimmed content of an absolute path that exists, and itself otherwise', () => {
    writeFileSync(join(folder, 'token'), ' abcdef\n');
    expect(textOrFile(join(folder, 'token'))).toBe('abcdef');
    expect(textOrFile(join(folder, 'none'))).toBe(join(folder, 'none'));
    expect(textOrFile(folder)).toBe(folder);
    expect(textOrFile('iam-token')).toBe('iam-token');
  });
});
