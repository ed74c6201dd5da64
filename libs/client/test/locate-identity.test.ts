import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@postern/testkit';
import { describe, expect, test } from 'vitest';
import { locateIdentity, writeProfile } from '../src/index.ts';

/** A folder with everything that can name an identity. */
function everySource() {
  const root = temporaryFolder();
  const [home, dataDir] = [join(root, 'home'), join(root, 'data')];
  mkdirSync(dataDir);
  for (const name of ['flag.pem', 'variable.pem', 'data/admin-identity.pem'])
    writeFileSync(join(root, name), 'x');
  writeFileSync(join(dataDir, 'proxy-addr'), 'edge.local:3080\n');
  writeProfile(home, { proxy: 'profile.test:443', user: 'ann', cluster: 'c' }, 'x');
  const env = { TELEPORT_IDENTITY_FILE: 'variable.pem', TELEPORT_HOME: home, POSTERN_DATA_DIR: dataDir };
  return { root, home, dataDir, env };
}

describe('the identity', () => {
  test('of -i comes first', () => {
    const { root, env } = everySource();
    expect(locateIdentity({ identity: 'flag.pem', env, cwd: root })).toMatchObject({
      source: 'file',
      path: join(root, 'flag.pem'),
    });
  });

  test('of $TELEPORT_IDENTITY_FILE comes second', () => {
    const { root, env } = everySource();
    expect(locateIdentity({ env, cwd: root })).toMatchObject({
      source: 'file',
      path: join(root, 'variable.pem'),
    });
  });

  test('of the stored profile comes third', () => {
    const { root, home, env } = everySource();
    const located = locateIdentity({ env: { ...env, TELEPORT_IDENTITY_FILE: '' }, cwd: root });
    expect(located).toMatchObject({
      source: 'profile',
      proxy: 'profile.test:443',
      stateDir: join(home, 'credentials'),
    });
  });

  test('of the data directory comes last', () => {
    const { root, dataDir, env } = everySource();
    const located = locateIdentity({
      env: { ...env, TELEPORT_IDENTITY_FILE: '', TELEPORT_HOME: join(root, 'none') },
      cwd: root,
    });
    expect(located).toMatchObject({
      source: 'data-dir',
      proxy: 'edge.local:3080',
      stateDir: join(dataDir, 'tsh'),
    });
  });

  test('of ./.postern is found without any variable', () => {
    const root = temporaryFolder();
    mkdirSync(join(root, '.postern'));
    writeFileSync(join(root, '.postern', 'admin-identity.pem'), 'x');
    expect(locateIdentity({ env: { HOME: root }, cwd: root }).path).toBe(
      join(root, '.postern', 'admin-identity.pem'),
    );
  });

  test('of a data directory is the same when its file is named, so that both share one cache', () => {
    const { root, dataDir, env } = everySource();
    const identity = join(dataDir, 'admin-identity.pem');
    expect(locateIdentity({ identity, env, cwd: root })).toMatchObject({
      source: 'data-dir',
      stateDir: join(dataDir, 'tsh'),
    });
  });

  test('of a profile is chosen by --proxy', () => {
    const { root, home, env } = everySource();
    writeProfile(home, { proxy: 'other.test:3080', user: 'bob', cluster: 'c' }, 'x');
    const without = { ...env, TELEPORT_IDENTITY_FILE: '' };
    expect(locateIdentity({ env: without, cwd: root }).proxy).toBe('other.test:3080');
    expect(locateIdentity({ env: without, cwd: root, proxy: 'profile.test:443' }).proxy).toBe(
      'profile.test:443',
    );
  });

  test('that is named and missing is an error, not a reason to take another', () => {
    const { root, env } = everySource();
    expect(() => locateIdentity({ identity: 'gone.pem', env, cwd: root })).toThrow(/gone.pem does not exist/);
  });

  test('that is nowhere is told with what to do', () => {
    const root = temporaryFolder();
    expect(() => locateIdentity({ env: { HOME: root }, cwd: root })).toThrow(/^Not logged in\./);
  });
});
