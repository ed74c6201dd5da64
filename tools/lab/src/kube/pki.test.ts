import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openPki } from './pki.ts';

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'postern-pki-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test('issues certificates that its authority vouches for', async () => {
  const pki = await openPki(folder());
  const files = await pki.issue('server', {
    commonName: 'server',
    organization: 'group',
    hosts: ['127.0.0.1', 'here.test'],
  });
  const authority = new X509Certificate(readFileSync(pki.ca.cert));
  const leaf = new X509Certificate(readFileSync(files.cert));
  expect(leaf.verify(authority.publicKey)).toBe(true);
  expect(leaf.checkIssued(authority)).toBe(true);
  expect(leaf.checkHost('here.test')).toBe('here.test');
  expect(leaf.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect(leaf.checkIP('127.0.0.2')).toBeUndefined();
  expect(leaf.ca).toBe(false);
  expect(leaf.subject.split('\n').toSorted()).toEqual(['CN=server', 'O=group']);
  expect(statSync(files.key).mode & 0o077).toBe(0);
});

test('gives the same files again when opened again', async () => {
  const dir = folder();
  const request = { commonName: 'admin', organization: 'system:masters' };
  const first = await (await openPki(dir)).issue('admin', request);
  const before = readFileSync(first.cert, 'utf8');
  const second = await (await openPki(dir)).issue('admin', request);
  expect(readFileSync(second.cert, 'utf8')).toBe(before);
});
