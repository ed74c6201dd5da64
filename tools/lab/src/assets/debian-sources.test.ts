import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { debianSources } from './debian-sources.ts';

function aptFolder(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'postern-apt-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  mkdirSync(join(root, 'sources.list.d'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text);
  return root;
}

test('asks for source packages where the machine asks for binary ones', () => {
  const root = aptFolder({
    'sources.list.d/debian.sources':
      'Types: deb\n# a comment\nURIs: http://one.test/debian\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /keys/one.gpg\n',
  });
  expect(debianSources('bookworm', root)).toBe(
    'Types: deb deb-src\nURIs: http://one.test/debian\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /keys/one.gpg\n',
  );
});

test('reads one-line entries with their key', () => {
  const root = aptFolder({
    'sources.list':
      '# comment\ndeb [arch=amd64 signed-by=/keys/one.gpg] http://one.test/debian bookworm main contrib # why\n',
  });
  expect(debianSources('bookworm', root)).toBe(
    'Types: deb deb-src\nURIs: http://one.test/debian\nSuites: bookworm\nComponents: main contrib\nSigned-By: /keys/one.gpg\n',
  );
});

test.each([
  ['another release', 'deb http://one.test/debian trixie main\n'],
  ['a backport', 'deb http://one.test/debian bookworm-backports main\n'],
  ['a vendor without the main component', 'deb http://vendor.test/debian bookworm stable\n'],
  ['an entry commented out', '# deb http://one.test/debian bookworm main\n'],
])('leaves out %s', (_, line) => {
  expect(debianSources('bookworm', aptFolder({ 'sources.list': line }))).toBe('');
});

test('leaves out a disabled entry', () => {
  const text = 'Enabled: no\nTypes: deb\nURIs: http://one.test/debian\nSuites: bookworm\nComponents: main\n';
  expect(debianSources('bookworm', aptFolder({ 'sources.list.d/off.sources': text }))).toBe('');
});
